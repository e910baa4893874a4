package tools

import (
	"runtime"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// The pinned releases, but for [tracing.K3dRelease].
const (
	pulumiVersion  = "3.259.0"
	kubectlVersion = "1.37.1"
)

// Pinned returns the tools that a stack needs, at the releases that this version of
// kubetracing was tested with. A suitable tool on PATH is used instead.
//
// Sources of the checksums: pulumi/homebrew-tap@51fb494f Formula/pulumi.rb;
// cashapp/hermit-packages@f0517fd7 {pulumi,k3d}.hcl; kubectl's as in public manifests
// that pin it for all four platforms (https://dl.k8s.io/release/v1.37.1/bin/).
func Pinned() []Tool {
	return []Tool{Pulumi(), K3d(), Kubectl()}
}

// Pulumi returns the tool that runs the program.
func Pulumi() Tool {
	return Tool{
		Name:        "pulumi",
		Version:     pulumiVersion,
		Minimum:     "3.202.0",
		VersionArgs: []string{"version"},
		URL: "https://get.pulumi.com/releases/sdk/pulumi-v" + pulumiVersion + "-" + runtime.GOOS + "-" +
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
		Minimum:     "5.8.3",
		VersionArgs: []string{"version"},
		URL: "https://github.com/k3d-io/k3d/releases/download/v" + tracing.K3dRelease + "/k3d-" +
			runtime.GOOS + "-" + runtime.GOARCH,
		SHA256: map[string]string{
			"linux/amd64":  "06d8f25bc3a971c4eb29e0ff08429b180402db0f4dec838c9eac427e296800a0",
			"linux/arm64":  "03cde5cf23e6e8e67de5a039ecf26e5b85aca82fba3e5d13dadf904cd218a250",
			"darwin/amd64": "b4aabc37534f95b9c764e7823f2df923f50d57600837aa60a06266cce47db732",
			"darwin/arm64": "fe106541d5d0a3f18debcd4d432a16f8c0ce3e6ddc06f8fbb6f696a122313e00",
		},
	}
}

// Kubectl returns the tool for the cluster's user.
func Kubectl() Tool {
	return Tool{
		Name:    "kubectl",
		Version: kubectlVersion,
		// kubectl speaks to servers one minor away; any is better than a surprise.
		URL: "https://dl.k8s.io/release/v" + kubectlVersion + "/bin/" + runtime.GOOS + "/" + runtime.GOARCH + "/kubectl",
		SHA256: map[string]string{
			"linux/amd64":  "65691ff77eb6fa44c908b77a1082c9f092c3b9733b5cefabec0d1104890e21a8",
			"linux/arm64":  "ff749f4b78d9c4f1ec87307df9b50119ed819e2094aa9810cb9acffc3286c8c7",
			"darwin/amd64": "6851381c486ff6edd691623e3d65c87cb9a5b02887ff8fbbb38d8a031b748387",
			"darwin/arm64": "fd65982c97ddad3106754b69ffa196d0e543aa591930ae52aed1adfb92f8c77f",
		},
	}
}
