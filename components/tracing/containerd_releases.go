package tracing

import (
	"fmt"
	"maps"
)

// ContainerdRelease is an official containerd release.
type ContainerdRelease struct {
	// Version is the release, without a 'v'.
	Version string
	// SHA256 is the hexadecimal checksum of its archive by architecture (amd64,
	// arm64).
	SHA256 map[string]string
}

// URL returns the address of the archive for one architecture.
func (r ContainerdRelease) URL(arch string) string {
	return fmt.Sprintf("https://github.com/containerd/containerd/releases/download/v%s/containerd-%s-linux-%s.tar.gz",
		r.Version, r.Version, arch)
}

// containerdReleases pairs every containerd line that some k3s embeds with the
// upstream release that stands in for it. k3s compiles containerd without its
// tracing plugin from 1.25.10, 1.26.5 and 1.27.2 on; the official release has
// it. Every release here reads the OTEL_ environment (1.6.32, 1.7.19 and 2.0 on).
//
// Sources: k3s pkg/containerd/builtins*.go (imports no tracing plugin);
// containerd cmd/containerd/builtins/tracing.go; checksums as in
// kubernetes-sigs/kubespray@46dbdd39 (1.6.39: @2512e0c5)
// roles/kubespray_defaults/vars/main/checksums.yml, that of 2.3.5 as in public
// manifests that pin it.
var containerdReleases = map[string]ContainerdRelease{
	"1.6": {Version: "1.6.39", SHA256: map[string]string{
		"amd64": "7a2d3ed18e3735b9c0ac87b6b05fcfc6001261f81361100f2b4ca6c9f407ab9a",
		"arm64": "84b470e4381f3a816a5f93b75f23cc1a14ef4550a426f27ebea1e46d963c2ed1",
	}},
	"1.7": {Version: "1.7.34", SHA256: map[string]string{
		"amd64": "640f989745020ea4897ad0a3d7d977863a7279d3f2e132792fc62c25a45bda50",
		"arm64": "824cbd16af3bdfc1b1836338350630ae1b6a58c7466636a4bed10549790090ab",
	}},
	"2.0": {Version: "2.0.11", SHA256: map[string]string{
		"amd64": "249457e108b64f8c44bcf5928acc1d3300253c922414f5a8329a754303019d50",
		"arm64": "a8261bd5cc78cc46f01bbc229320b9781f8c03dcfedcbff25dfd4f12e43e5d74",
	}},
	"2.1": {Version: "2.1.9", SHA256: map[string]string{
		"amd64": "0083d2a4c2e77eeb20e55b6d955822fb957ff386c0c23959c8b27f598317586c",
		"arm64": "2fbc3053b09812092f6bf316a509d849960eb0cb9332ec88c2f49676d648fd67",
	}},
	"2.2": {Version: "2.2.7", SHA256: map[string]string{
		"amd64": "91cd216ea26a1b8b512219d3f205375c967e7b7de4dae571bc3dd16bfacd34b5",
		"arm64": "84eb0a161e20ad45465202fa2d6d93b3d9b74666c363e9908706d590a86e2618",
	}},
	"2.3": {Version: "2.3.5", SHA256: map[string]string{
		"amd64": "2f0a095a71e3262d0d91ff0e50e2e4ae73c3866c4d1ff6a15f341097fba3dd44",
		"arm64": "06f46cbc073872c5ad1fbc922a53543e9a26b798d62ff106d44639dcb9947942",
	}},
}

// ContainerdReleases returns the upstream containerd of every line that some k3s
// embeds, by line ("2.3").
func ContainerdReleases() map[string]ContainerdRelease { return maps.Clone(containerdReleases) }

// ContainerdRelease returns the upstream containerd for a k3s release.
func (r Release) ContainerdRelease() ContainerdRelease {
	return containerdReleases[r.Rules.Containerd]
}
