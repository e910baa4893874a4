package tracing

import (
	"fmt"
	"maps"
	"slices"

	"github.com/Masterminds/semver/v3"
)

// CRIORelease is a CRI-O release as a bundle of static binaries.
type CRIORelease struct {
	// Version is the release, without a 'v'.
	Version string
	// SHA256 is the hexadecimal checksum of the official bundle by architecture
	// (amd64, arm64); empty for a release that is only to be had from a bundle of
	// one's own.
	SHA256 map[string]string
}

// URL is where the official bundle of one architecture is published.
func (r CRIORelease) URL(arch string) string {
	return fmt.Sprintf("https://storage.googleapis.com/cri-o/artifacts/cri-o.%s.v%s.tar.gz", arch, r.Version)
}

// ConmonRs says what a bundle has of conmon-rs.
type ConmonRs int

const (
	// ConmonRsAbsent is a bundle with conmon alone, which knows no tracing.
	ConmonRsAbsent ConmonRs = iota
	// ConmonRsTraces is a conmon-rs that sends spans.
	ConmonRsTraces
	// ConmonRsSilent is a conmon-rs that is compiled without tracing and ignores
	// what it is told about it.
	ConmonRsSilent
)

// ConmonRs tells what the release's bundle has of conmon-rs.
//
// Sources: cri-o contrib/bundle/build at v1.25.4, v1.26.4 and v1.27.4 (conmon
// only); cri-o/packaging templates/latest/cri-o/bundle/versions, which builds the
// bundles from 1.28 on (conmon-rs 0.6.1 to 0.8.0; "conmon-rs v1.0.0+ requires
// CRI-O v1.37+"); conmon-rs v1.0.1 conmon-rs/server/Cargo.toml (default = []).
func (r CRIORelease) ConmonRs() ConmonRs {
	switch minor := semver.MustParse(r.Version).Minor(); {
	case minor < 28:
		return ConmonRsAbsent
	case minor < 37:
		return ConmonRsTraces
	default:
		return ConmonRsSilent
	}
}

// watchedByConmonRs tells whether conmon-rs watches the containers of an OCI
// runtime. It gives the runtime --root twice, which youki 0.5 refuses.
func (r CRIORelease) watchedByConmonRs(oci OCIRuntime) bool {
	return r.ConmonRs() != ConmonRsAbsent && oci != OCIYouki
}

// crioReleases pairs every Kubernetes minor with the newest CRI-O release of the
// same minor whose bundles' checksums are published. CRI-O's minor follows
// Kubernetes'.
//
// Sources: https://github.com/cri-o/cri-o#compatibility-matrix-cri-o--kubernetes;
// checksums as in kubernetes-sigs/kubespray, checksums.yml at 24b82917 (1.25),
// 1f47d5b7 (1.26), 03ac02af (1.27), 03372d88 (1.28, 1.29), 12665270 (1.30),
// aa255f88 (1.31), 005bdce7 (1.32), 4cefd776 (1.33) and 46dbdd39 (the others).
var crioReleases = map[uint64]CRIORelease{
	25: {Version: "1.25.4", SHA256: map[string]string{
		"amd64": "d667d20f032793356006ef97d4318dee9f57d62692ab80ee55bc5915555a2ad5",
		"arm64": "eb46a48b62124fe9e18c85c3c26638630099744a8b9c21577f1da92dcbb4c243",
	}},
	26: {Version: "1.26.4", SHA256: map[string]string{
		"amd64": "cfeca97f1ca612813ae0a56a05d33a9f94e3b1fd8df1debb16f322676819314a",
		"arm64": "dbc64d796eb9055f2e070476bb1f32ab7b7bf42ef0ec23212c51beabfd5ac43f",
	}},
	27: {Version: "1.27.4", SHA256: map[string]string{
		"amd64": "d09a4a2187f63abec13220459e08922e98b7d8740fbcd81cd20bf17a1dd44016",
		"arm64": "70ad1b52880c9eb026937f24aba278c89e044a3c9dbc78bcafb06b932bb2a7d7",
	}},
	28: {Version: "1.28.4", SHA256: map[string]string{
		"amd64": "4bf81791f6d5f65df797f4e25dee0c8fcc157c2800c0159c68c943fd78d63e30",
		"arm64": "de110f71160202a1183bd3282a0a480363e6851ee101bbcaa34ba2e38c3b924d",
	}},
	29: {Version: "1.29.2", SHA256: map[string]string{
		"amd64": "55e71ef1bceb1cd9490ec85fdbfc889d3f3a9dd2ef3b8954dcbcf33cb6609167",
		"arm64": "e2ddaeb9d46b6a39057e67f77f5840e79d2226839014d77eb6ef243b88761f7a",
	}},
	30: {Version: "1.30.13", SHA256: map[string]string{
		"amd64": "8a40791ee8be099f861574bfca0908fa1c17f9513c47cb8025c833fe59c6c3c7",
		"arm64": "f9eda79e902660e8dd53231d533e6f4f0feaa6a3fc1b15bb30b8f17e8d9bf93c",
	}},
	31: {Version: "1.31.13", SHA256: map[string]string{
		"amd64": "e0231cfdac55c85b0902c97d5836b2467b0354c9c5c43bbef266faae13cbc5e2",
		"arm64": "2415aa2b897bef13d65e45e185d2f4bd628c404d5c5d9419dbf278bf3e64f29a",
	}},
	32: {Version: "1.32.13", SHA256: map[string]string{
		"amd64": "27e2bf049f589a568d45c4fdd0eaf119680176c202bd09219f8726ba37f9c21e",
		"arm64": "f40004183d93bb203231385b5dd07a32e17eced47213817c1958ccc9eea73f70",
	}},
	33: {Version: "1.33.12", SHA256: map[string]string{
		"amd64": "a1b0677be57fc803b61fefc31874af0fcedfa3e24b60d636a75e9150a351d657",
		"arm64": "b30556d67779e591b4ab449f100764cedfc18700a153d7f5ba648960d3960816",
	}},
	34: {Version: "1.34.11", SHA256: map[string]string{
		"amd64": "412d3f0490a37c45933134f4c899cc5b97faf9408a35daf562f672c277d37a0b",
		"arm64": "8c8080cb799155b7a40d706c48fcced6869d8942f321042fc16502b42fcbec26",
	}},
	35: {Version: "1.35.6", SHA256: map[string]string{
		"amd64": "481c1de44de8a71dc299b3605c7b5f6044f656207cf5d39c14d4c840653bb7f5",
		"arm64": "90142d24760afe66fd082a58d2ce752f01aef58b5a2bb96e03dca23e96cff834",
	}},
	36: {Version: "1.36.3", SHA256: map[string]string{
		"amd64": "fc2ece7cc22a505cca5e100438e4e58f7786f17b64467022e2d2019239c88349",
		"arm64": "749e5e5393a09ec93af6723410cf3554fb4b3b2fd7df2cb36a9acc427c3392cf",
	}},
}

// CRIORelease gives the CRI-O that goes with a k3s release, and whether there is
// an official bundle of it with a published checksum.
func (r Release) CRIORelease() (CRIORelease, bool) {
	release, ok := crioReleases[r.Minor]
	return release, ok
}

// CRIORange is the range of Kubernetes minors with an official bundle of CRI-O,
// for messages.
func CRIORange() string {
	minors := slices.Sorted(maps.Keys(crioReleases))
	return fmt.Sprintf("1.%d to 1.%d", minors[0], minors[len(minors)-1])
}

// CrunRelease is the release whose bundle brings the crun of containerd's nodes:
// the newest with a published checksum. crun's own releases are published without
// checksums.
func CrunRelease() CRIORelease {
	return crioReleases[slices.Max(slices.Collect(maps.Keys(crioReleases)))]
}
