package tracing_test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const (
	v1alpha1 = "apiserver.config.k8s.io/v1alpha1"
	v1beta1  = "apiserver.config.k8s.io/v1beta1"
	v1       = "apiserver.config.k8s.io/v1"
)

func TestRules_Minors(t *testing.T) {
	t.Parallel()

	type rules = tracing.Rules
	const (
		withoutRate  = tracing.EtcdExperimentalWithoutRate
		experimental = tracing.EtcdExperimental
		stable       = tracing.EtcdStable
	)
	tests := map[string]struct {
		release string
		want    rules
	}{
		"1.25": {"v1.25.16+k3s4", rules{v1alpha1, true, true, false, false, false, withoutRate, "3.5.3", "1.7"}},
		"1.26": {"v1.26.15+k3s1", rules{v1alpha1, true, false, false, false, false, withoutRate, "3.5.9", "1.7"}},
		"1.27": {"v1.27.16+k3s1", rules{v1beta1, false, false, false, true, false, experimental, "3.5.13", "1.7"}},
		"1.28": {"v1.28.15+k3s1", rules{v1beta1, false, false, false, true, false, experimental, "3.5.13", "1.7"}},
		"1.29": {"v1.29.15+k3s1", rules{v1beta1, false, false, false, true, false, experimental, "3.5.18", "1.7"}},
		"1.30": {"v1.30.14+k3s2", rules{v1beta1, false, false, false, true, false, experimental, "3.5.18", "1.7"}},
		"1.31": {"v1.31.14+k3s1", rules{v1beta1, false, false, false, true, false, experimental, "3.5.21", "2.1"}},
		"1.32": {"v1.32.13+k3s1", rules{v1beta1, false, false, false, true, false, experimental, "3.5.25", "2.1"}},
		"1.33": {"v1.33.13+k3s2", rules{v1beta1, false, false, false, true, true, stable, "3.6.14", "2.2"}},
		"1.34": {"v1.34.11+k3s1", rules{v1, false, false, false, true, true, stable, "3.6.14", "2.2"}},
		"1.35": {"v1.35.9+k3s1", rules{v1, false, false, true, true, true, stable, "3.6.14", "2.2"}},
		"1.36": {"v1.36.4+k3s1", rules{v1, false, false, true, true, true, stable, "3.6.14", "2.3"}},
		"1.37": {"v1.37.1+k3s1", rules{v1, false, false, true, true, true, stable, "3.7.1", "2.3"}},
	}
	for minor, test := range tests {
		t.Run(minor, func(t *testing.T) {
			t.Parallel()
			release := resolve(t, minor)
			assert.Equal(t, test.release, release.Kubernetes)
			assert.Equal(t, minor, fmt.Sprintf("1.%d", release.Minor))
			assert.Equal(t, test.want, release.Rules)
		})
	}
	assert.Equal(t, "1.25 to 1.37", tracing.SupportedRange())
	assert.Equal(t, "1.37", tracing.NewestMinor())
	assert.Len(t, tests, 37-25+1, "every supported minor has a row")
}

// k3s takes newer versions of what it embeds in the middle of a minor.
func TestRules_PatchReleases(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		version    string
		etcd       tracing.EtcdTracing
		containerd string
	}{
		"1.25.9 has containerd 1.6":                            {"1.25.9", tracing.EtcdExperimentalWithoutRate, "1.6"},
		"1.25.10 has containerd 1.7":                           {"1.25.10", tracing.EtcdExperimentalWithoutRate, "1.7"},
		"1.26.4 has containerd 1.6":                            {"1.26.4", tracing.EtcdExperimentalWithoutRate, "1.6"},
		"1.26.5 has containerd 1.7":                            {"1.26.5", tracing.EtcdExperimentalWithoutRate, "1.7"},
		"1.27.1 has containerd 1.6":                            {"1.27.1", tracing.EtcdExperimentalWithoutRate, "1.6"},
		"1.27.2 has containerd 1.7":                            {"1.27.2", tracing.EtcdExperimentalWithoutRate, "1.7"},
		"1.27.14 has an etcd without a sampling rate":          {"1.27.14", tracing.EtcdExperimentalWithoutRate, "1.7"},
		"1.27.15 has an etcd with one":                         {"1.27.15", tracing.EtcdExperimental, "1.7"},
		"1.28.10 has an etcd without a sampling rate":          {"1.28.10", tracing.EtcdExperimentalWithoutRate, "1.7"},
		"1.28.11 has an etcd with one":                         {"1.28.11", tracing.EtcdExperimental, "1.7"},
		"1.29.5 has an etcd without a sampling rate":           {"1.29.5", tracing.EtcdExperimentalWithoutRate, "1.7"},
		"1.29.6 has an etcd with one":                          {"1.29.6", tracing.EtcdExperimental, "1.7"},
		"1.30.1 has an etcd without a sampling rate":           {"1.30.1", tracing.EtcdExperimentalWithoutRate, "1.7"},
		"1.30.2 has an etcd with one":                          {"1.30.2", tracing.EtcdExperimental, "1.7"},
		"1.31.5 has containerd 1.7":                            {"1.31.5", tracing.EtcdExperimental, "1.7"},
		"1.31.6 has containerd 2.0":                            {"1.31.6", tracing.EtcdExperimental, "2.0"},
		"1.31.12 has containerd 2.0":                           {"1.31.12", tracing.EtcdExperimental, "2.0"},
		"1.31.13 has containerd 2.1":                           {"1.31.13", tracing.EtcdExperimental, "2.1"},
		"1.32.1 has containerd 1.7":                            {"1.32.1", tracing.EtcdExperimental, "1.7"},
		"1.32.2 has containerd 2.0":                            {"1.32.2", tracing.EtcdExperimental, "2.0"},
		"1.32.8 has containerd 2.0":                            {"1.32.8", tracing.EtcdExperimental, "2.0"},
		"1.32.9 has containerd 2.1":                            {"1.32.9", tracing.EtcdExperimental, "2.1"},
		"1.33.4 has containerd 2.0":                            {"1.33.4", tracing.EtcdExperimental, "2.0"},
		"1.33.5 has containerd 2.1":                            {"1.33.5", tracing.EtcdExperimental, "2.1"},
		"1.33.10 has an etcd with experimental names":          {"1.33.10", tracing.EtcdExperimental, "2.2"},
		"1.33.11 has an etcd with plain names":                 {"1.33.11", tracing.EtcdStable, "2.2"},
		"1.34.0 has an etcd with plain names":                  {"1.34.0", tracing.EtcdStable, "2.1"},
		"1.34.6 has containerd 2.2":                            {"1.34.6", tracing.EtcdStable, "2.2"},
		"1.35.2 has containerd 2.1":                            {"1.35.2", tracing.EtcdStable, "2.1"},
		"1.35.3 has containerd 2.2":                            {"1.35.3", tracing.EtcdStable, "2.2"},
		"1.36.1 has containerd 2.2":                            {"1.36.1", tracing.EtcdStable, "2.2"},
		"1.36.2 has containerd 2.3":                            {"1.36.2", tracing.EtcdStable, "2.3"},
		"1.37.0 has etcd 3.7, which has plain names":           {"1.37.0", tracing.EtcdStable, "2.3"},
		"an unreleased patch has the rules of its predecessor": {"1.37.99", tracing.EtcdStable, "2.3"},
		"the build of a k3s release changes no rule":           {"v1.33.11+k3s7", tracing.EtcdStable, "2.2"},
		"a leading v changes no rule":                          {"v1.31.6", tracing.EtcdExperimental, "2.0"},
		"the tag of an image stands for its k3s release":       {"v1.31.5-k3s1", tracing.EtcdExperimental, "1.7"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := resolve(t, test.version).Rules
			assert.Equal(t, test.etcd, rules.EtcdTracing)
			assert.Equal(t, test.containerd, rules.Containerd)
		})
	}
}

// Each version is that of k3s' release page.
func TestRules_Etcd(t *testing.T) {
	t.Parallel()

	for version, etcd := range map[string]string{
		"v1.33.13+k3s1": "3.6.12", "v1.33.13+k3s2": "3.6.14", "v1.33.12+k3s2": "3.6.7",
		"v1.34.9+k3s1": "3.6.12", "v1.34.10+k3s1": "3.6.14", "v1.34.11+k3s1": "3.6.14",
		"v1.35.6+k3s1": "3.6.12", "v1.35.7+k3s1": "3.6.14", "v1.35.8+k3s1": "3.6.14",
		"v1.36.2+k3s1": "3.6.12", "v1.36.3+k3s1": "3.6.14", "v1.36.4+k3s1": "3.6.14",
		"v1.37.0+k3s1": "3.7.1", "v1.37.1+k3s1": "3.7.1",
	} {
		assert.Equal(t, etcd, resolve(t, version).Rules.Etcd, version)
	}
}

func TestResolveRelease(t *testing.T) {
	t.Parallel()

	const newest36 = "rancher/k3s:v1.36.4-k3s1@sha256:edad48e12bf81c3a09ac1c05c0c0ffaaa22145980b989d6fae84543a76b83657"
	tests := map[string]struct {
		version    string
		kubernetes string
		image      string
	}{
		"a minor is its newest k3s release, pinned":   {"1.36", "v1.36.4+k3s1", newest36},
		"a minor with a v is the same":                {"v1.36", "v1.36.4+k3s1", newest36},
		"the newest release by name is pinned, too":   {"v1.36.4+k3s1", "v1.36.4+k3s1", newest36},
		"the newest patch release is pinned, too":     {"1.36.4", "v1.36.4+k3s1", newest36},
		"a patch release is its first k3s build":      {"1.36.2", "v1.36.2+k3s1", "rancher/k3s:v1.36.2-k3s1"},
		"a k3s release is itself":                     {"v1.36.2+k3s1", "v1.36.2+k3s1", "rancher/k3s:v1.36.2-k3s1"},
		"a k3s release without a v is itself":         {"1.36.2+k3s1", "v1.36.2+k3s1", "rancher/k3s:v1.36.2-k3s1"},
		"the tag of an image is its release":          {"v1.36.2-k3s1", "v1.36.2+k3s1", "rancher/k3s:v1.36.2-k3s1"},
		"a later build is kept":                       {"v1.36.2+k3s3", "v1.36.2+k3s3", "rancher/k3s:v1.36.2-k3s3"},
		"another build of the newest is not pinned":   {"v1.36.4+k3s2", "v1.36.4+k3s2", "rancher/k3s:v1.36.4-k3s2"},
		"a minor without a known digest has a tag":    {"1.25", "v1.25.16+k3s4", "rancher/k3s:v1.25.16-k3s4"},
		"a minor whose newest build is not the first": {"1.30", "v1.30.14+k3s2", "rancher/k3s:v1.30.14-k3s2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			release := resolve(t, test.version)
			assert.Equal(t, test.kubernetes, release.Kubernetes)
			assert.Equal(t, test.image, release.Image)
		})
	}
}

func TestResolveRelease_Unsupported(t *testing.T) {
	t.Parallel()

	const (
		unsupported = "is not supported; supported: 1.25 to 1.37"
		malformed   = "must be a minor (as 1.37) or a k3s release (as v1.37.1+k3s1)"
	)
	tests := map[string]struct{ version, reason string }{
		"a minor below the range":            {"1.24", unsupported},
		"a minor above the range":            {"1.38", unsupported},
		"a release below the range":          {"v1.24.17+k3s1", unsupported},
		"a release above the range":          {"v1.38.0+k3s1", unsupported},
		"the number that YAML makes of 1.30": {"1.3", unsupported},
		"another major of a supported minor": {"2.30", unsupported},
		"a major alone":                      {"1", malformed},
		"two leading letters":                {"vv1.36", malformed},
		"a k3s build of a minor":             {"v1.36-k3s2", malformed},
		"a name":                             {"latest", malformed},
		"nothing":                            {"", malformed},
		"a release candidate":                {"v1.36.0-rc1+k3s1", malformed},
		"a release candidate's image tag":    {"v1.36.0-rc1-k3s1", malformed},
		"a range":                            {">=1.30", malformed},
		"four numbers":                       {"1.36.2.1", malformed},
		"a space":                            {"1.36 ", malformed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			release, err := tracing.ResolveRelease(test.version)
			assert.Equal(t, &tracing.UnsupportedVersionError{Version: test.version, Reason: test.reason}, err)
			require.EqualError(t, err, fmt.Sprintf("Kubernetes version %q %s", test.version, test.reason))
			assert.Equal(t, tracing.Release{}, release)
		})
	}
}

// The official image of every newest release that has a known digest is pinned
// by it; a malformed digest would only be found by pulling.
func TestResolveRelease_Images(t *testing.T) {
	t.Parallel()

	image := regexp.MustCompile(`^rancher/k3s:v1\.\d+\.\d+-k3s\d+(@sha256:[0-9a-f]{64})?$`)
	for minor := 25; minor <= 37; minor++ {
		assert.Regexp(t, image, resolve(t, fmt.Sprintf("1.%d", minor)).Image)
	}
}

// Every patch release of every minor, and so every containerd line that some
// k3s embeds, must have an upstream release to stand in.
func TestContainerdRelease_EveryRelease(t *testing.T) {
	t.Parallel()

	checksum := regexp.MustCompile(`^[0-9a-f]{64}$`)
	lines := map[string]tracing.ContainerdRelease{}
	for minor := 25; minor <= 37; minor++ {
		for patch := range 20 {
			version := fmt.Sprintf("1.%d.%d", minor, patch)
			release := resolve(t, version)
			lines[release.Rules.Containerd] = release.ContainerdRelease()
		}
	}
	used := map[string]string{}
	for line, release := range lines {
		require.Regexp(t, "^"+regexp.QuoteMeta(line)+`\.\d+$`, release.Version, "stand-in for containerd %s", line)
		assert.Len(t, release.SHA256, 2, "architectures of containerd %s", release.Version)
		for _, arch := range []string{"amd64", "arm64"} {
			sum := release.SHA256[arch]
			assert.Regexp(t, checksum, sum, "containerd %s for %s", release.Version, arch)
			assert.Empty(t, used[sum], "checksum of containerd %s for %s is that of another archive", release.Version, arch)
			used[sum] = release.Version + arch
		}
	}
	var names []string
	for line := range lines {
		names = append(names, line)
	}
	assert.ElementsMatch(t, []string{"1.6", "1.7", "2.0", "2.1", "2.2", "2.3"}, names)
}

func TestContainerdRelease_URL(t *testing.T) {
	t.Parallel()

	release := tracing.ContainerdRelease{Version: "2.3.4"}
	assert.Equal(t,
		"https://github.com/containerd/containerd/releases/download/v2.3.4/containerd-2.3.4-linux-arm64.tar.gz",
		release.URL("arm64"))
}
