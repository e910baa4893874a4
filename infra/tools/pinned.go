package tools

import (
	"runtime"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// Pinned returns the tools that a stack needs, at the releases that this version of
// kubetracing was tested with. A suitable tool on PATH is used instead.
//
// Sources of the checksums: pulumi/homebrew-tap@51fb494f Formula/pulumi.rb;
// cashapp/hermit-packages@f0517fd7 {pulumi,k3d}.hcl;
// cert-manager/makefile-modules@b9030337 modules/tools/00_mod.mk (kubectl).
func Pinned() []Tool {
	return []Tool{Pulumi(), K3d(), Kubectl()}
}

// Pulumi returns the tool that runs the program.
func Pulumi() Tool {
	return Tool{
		Name:        "pulumi",
		Version:     "3.259.0",
		Minimum:     "3.202.0",
		VersionArgs: []string{"version"},
		URL: "https://get.pulumi.com/releases/sdk/pulumi-v3.259.0-" + runtime.GOOS + "-" +
			map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH] + ".tar.gz",
		Members: []string{"pulumi/pulumi", "pulumi/pulumi-language-go"},
		// The host of programs in Go; packages of distributions may lack it.
		Companions: []string{"pulumi-language-go"},
		SHA256: map[string]string{
			"linux/amd64":  "94ba357acac23d01474084c4b00098dc0f7bc70ce13f34c777459254a5f718e5",
			"linux/arm64":  "edc8327463a72160bb36cf82cf5062da9c8a244290a706d9980988e7bf486853",
			"darwin/amd64": "eaca4c3b8277bfa3ab061fa3b270d1c66358a0b2e613da8c5587a04b7226c534",
			"darwin/arm64": "57c27f179e527e2cf9f62b841a448af72a020e44b2fb4ee0d9bd85556c00c864",
		},
	}
}

// K3d returns the tool that creates the cluster.
func K3d() Tool {
	return Tool{
		Name:        "k3d",
		Version:     tracing.K3dRelease,
		Minimum:     tracing.K3dRelease,
		VersionArgs: []string{"version"},
		URL: "https://github.com/k3d-io/k3d/releases/download/v" + tracing.K3dRelease + "/k3d-" +
			runtime.GOOS + "-" + runtime.GOARCH,
		SHA256: map[string]string{
			"linux/amd64":  "dbaa79a76ace7f4ca230a1ff41dc7d8a5036a8ad0309e9c54f9bf3836dbe853e",
			"linux/arm64":  "0b8110f2229631af7402fb828259330985918b08fefd38b7f1b788a1c8687216",
			"darwin/amd64": "fd0f8e9e8ea4d8bc3674572ca6ed0833b639bf57c43c708616d937377324cfea",
			"darwin/arm64": "8da468daa7dc7cf7cdd4735f90a9bb05179fa27858250f62e3d8cdf5b5ca0698",
		},
	}
}

// Kubectl returns the tool for the cluster's user.
func Kubectl() Tool {
	return Tool{
		Name:    "kubectl",
		Version: "1.36.4",
		// kubectl speaks to servers one minor away; any is better than a surprise.
		URL: "https://dl.k8s.io/release/v1.36.4/bin/" + runtime.GOOS + "/" + runtime.GOARCH + "/kubectl",
		SHA256: map[string]string{
			"linux/amd64":  "8b8f088da2dab964f853b38464033b1be15ede2839eca751482357c45abdd05a",
			"linux/arm64":  "0ecf44450ee6063bf19dd166a103ee6df4a9034455c2abce626e6eea657d73fb",
			"darwin/amd64": "71a3aa7c2ee2c974d9fbb462cba0c5c04a4df2e8d85eee94714fd819ea3c4e63",
			"darwin/arm64": "c9e4f713d6fee0043a3d835cca13077cda2bc0973840eb9779360df0b5bdfc69",
		},
	}
}
