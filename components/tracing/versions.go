package tracing

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// EtcdTracing says which tracing arguments an etcd version knows.
type EtcdTracing int

const (
	// EtcdExperimentalWithoutRate is etcd 3.5.0 to 3.5.10: experimental names, no
	// sampling rate. Up to 3.5.4 every request is sampled, later those whose caller
	// is sampled.
	EtcdExperimentalWithoutRate EtcdTracing = iota
	// EtcdExperimental is etcd 3.5.11 to 3.5.x: experimental names and a rate.
	EtcdExperimental
	// EtcdStable is etcd 3.6 and newer: plain names.
	EtcdStable
)

// Rules are the facts about one k3s release that determine how its parts are
// configured to trace.
type Rules struct {
	// APIServerTracingVersion is the apiVersion of kube-apiserver's
	// TracingConfiguration.
	APIServerTracingVersion string
	// NeedsFeatureGates: tracing is alpha, so the gates APIServerTracing and
	// KubeletTracing must be set. Nowhere else may they be: an unknown gate
	// aborts the start.
	NeedsFeatureGates bool
	// EgressSelectorPanics: kube-apiserver dies of a nil pointer when k3s' egress
	// selector and tracing meet, unless the selector's file is emptied.
	EgressSelectorPanics bool
	// RefusesCgroupV1: the kubelet does not start on a cgroup v1 host unless it is
	// configured to.
	RefusesCgroupV1 bool
	// SyncPodSpans: the kubelet wraps its work in syncPod spans that name the pod.
	SyncPodSpans bool
	// ContinuesTraces: kube-apiserver continues the trace of a request by a member of
	// system:masters or system:monitoring. Older ones begin a trace for every request.
	ContinuesTraces bool
	// EtcdTracing is the form of the embedded etcd's arguments.
	EtcdTracing EtcdTracing
	// Etcd is the embedded etcd's version.
	Etcd string
	// Containerd is the line ("2.3") of the containerd that this k3s embeds, and so
	// of the upstream containerd that can stand in for it.
	Containerd string
}

// MonitoringGroup is a group whose traces kube-apiserver continues, like those of
// system:masters, and to which a certificate request may ask to belong. It may read
// health checks and metrics.
//
// Sources: k8s.io/apiserver pkg/endpoints/filters/traces.go (notSystemPrivilegedGroup);
// kubernetes plugin/pkg/admission/certificates/subjectrestriction;
// https://kubernetes.io/docs/reference/access-authn-authz/rbac/#discovery-roles.
const MonitoringGroup = "system:monitoring"

// Release is one k3s release.
type Release struct {
	// Kubernetes is the version with its k3s build metadata, as v1.36.2+k3s1.
	Kubernetes string
	// Minor is the second number of Kubernetes.
	Minor uint64
	// Image is the release's official node image, with its digest where known.
	Image string
	// Rules hold for this release.
	Rules Rules
}

// minorRow is what is known of one Kubernetes minor as k3s ships it.
type minorRow struct {
	// newest is the k3s release that a bare minor stands for.
	newest string
	// digest is the digest of newest's image, where it is known.
	digest string
	// etcd and containerd list the embedded versions, oldest first, by the first
	// patch release that has them.
	etcd, containerd []sincePatch
	// rebuiltEtcd is the etcd of k3s releases that have another one than the first
	// build of the same patch release.
	rebuiltEtcd map[string]string
}

type sincePatch struct {
	patch   uint64
	version string
}

// minors is the version table, by Kubernetes minor (1.x). A bare minor stands for
// its newest k3s release whose components are published.
//
// Sources: etcd and containerd of every k3s release stand in the release tables
// of https://docs.k3s.io/release-notes/v1.NN.X (read at
// rancher/k3s-product-docs@264b0015), those of July 2026 on in
// https://github.com/k3s-io/k3s/releases and, for etcd, k3s-io/k3s#14461 to #14464;
// image digests are those of the multi-platform indexes, as pinned in public
// manifests.
var minors = map[uint64]minorRow{
	25: {
		newest:     "v1.25.16+k3s4",
		etcd:       []sincePatch{{0, "3.5.3"}},
		containerd: []sincePatch{{0, "1.6"}, {10, "1.7"}},
	},
	26: {
		newest:     "v1.26.15+k3s1",
		etcd:       []sincePatch{{0, "3.5.5"}, {4, "3.5.7"}, {8, "3.5.9"}},
		containerd: []sincePatch{{0, "1.6"}, {5, "1.7"}},
	},
	27: {
		newest:     "v1.27.16+k3s1",
		etcd:       []sincePatch{{0, "3.5.7"}, {5, "3.5.9"}, {15, "3.5.13"}},
		containerd: []sincePatch{{0, "1.6"}, {2, "1.7"}},
	},
	28: {
		newest:     "v1.28.15+k3s1",
		etcd:       []sincePatch{{0, "3.5.9"}, {11, "3.5.13"}},
		containerd: []sincePatch{{0, "1.7"}},
	},
	29: {
		newest:     "v1.29.15+k3s1",
		etcd:       []sincePatch{{0, "3.5.9"}, {6, "3.5.13"}, {11, "3.5.16"}, {14, "3.5.18"}},
		containerd: []sincePatch{{0, "1.7"}},
	},
	30: {
		newest:     "v1.30.14+k3s2",
		etcd:       []sincePatch{{0, "3.5.9"}, {2, "3.5.13"}, {7, "3.5.16"}, {10, "3.5.18"}},
		containerd: []sincePatch{{0, "1.7"}},
	},
	31: {
		newest:     "v1.31.14+k3s1",
		etcd:       []sincePatch{{0, "3.5.13"}, {3, "3.5.16"}, {6, "3.5.18"}, {13, "3.5.21"}},
		containerd: []sincePatch{{0, "1.7"}, {6, "2.0"}, {13, "2.1"}},
	},
	32: {
		newest:     "v1.32.13+k3s1",
		digest:     "sha256:7534b63e02277917f77c584ed5532b31562c760d6bb8fe88059002e9bdeee033",
		etcd:       []sincePatch{{0, "3.5.16"}, {2, "3.5.18"}, {9, "3.5.21"}, {11, "3.5.25"}},
		containerd: []sincePatch{{0, "1.7"}, {2, "2.0"}, {9, "2.1"}},
	},
	33: {
		newest:      "v1.33.13+k3s2",
		digest:      "sha256:ada5ff2e138120efe877f76d514dedda65b304122112b982eab532732c028c89",
		etcd:        []sincePatch{{0, "3.5.21"}, {7, "3.5.25"}, {11, "3.6.7"}, {13, "3.6.12"}},
		containerd:  []sincePatch{{0, "2.0"}, {5, "2.1"}, {10, "2.2"}},
		rebuiltEtcd: map[string]string{"v1.33.13+k3s2": "3.6.14"},
	},
	34: {
		newest:     "v1.34.11+k3s1",
		digest:     "sha256:5d52389a0f4fd7ebdb5a1fb2d7c67c35da966230782c4abb0667d86bcccea9c2",
		etcd:       []sincePatch{{0, "3.6.4"}, {2, "3.6.5"}, {3, "3.6.6"}, {6, "3.6.7"}, {9, "3.6.12"}, {10, "3.6.14"}},
		containerd: []sincePatch{{0, "2.1"}, {6, "2.2"}},
	},
	35: {
		newest:     "v1.35.9+k3s1",
		digest:     "sha256:ec9868c6a38d4e8c1869832fb5fd1eb8473c39794a0b44d2b952e7ba911951bc",
		etcd:       []sincePatch{{0, "3.6.6"}, {3, "3.6.7"}, {6, "3.6.12"}, {7, "3.6.14"}},
		containerd: []sincePatch{{0, "2.1"}, {3, "2.2"}},
	},
	36: {
		newest:     "v1.36.4+k3s1",
		digest:     "sha256:edad48e12bf81c3a09ac1c05c0c0ffaaa22145980b989d6fae84543a76b83657",
		etcd:       []sincePatch{{0, "3.6.7"}, {2, "3.6.12"}, {3, "3.6.14"}},
		containerd: []sincePatch{{0, "2.2"}, {2, "2.3"}},
	},
	37: {
		newest:     "v1.37.1+k3s1",
		digest:     "sha256:ca7f37d993d82ef0dcdcfecb2e0e2618ea541dbaffc620c8cedebe01a82acd0d",
		etcd:       []sincePatch{{0, "3.7.1"}},
		containerd: []sincePatch{{0, "2.3"}},
	},
}

const (
	oldestMinor uint64 = 25
	newestMinor uint64 = 37
)

// SupportedRange returns the range of Kubernetes versions, for messages.
func SupportedRange() string {
	return fmt.Sprintf("1.%d to 1.%d", oldestMinor, newestMinor)
}

// Minors returns the supported minors, as "1.25", oldest first.
func Minors() []string {
	var names []string
	for _, minor := range slices.Sorted(maps.Keys(minors)) {
		names = append(names, "1."+strconv.FormatUint(minor, 10))
	}
	return names
}

// NewestMinor returns the newest supported minor, as "1.37".
func NewestMinor() string {
	return "1." + strconv.FormatUint(newestMinor, 10)
}

// UnsupportedVersionError reports that a Kubernetes version is not supported.
type UnsupportedVersionError struct {
	// Version is what was asked for.
	Version string
	// Reason is the rule it breaks.
	Reason string
}

func (e *UnsupportedVersionError) Error() string {
	return fmt.Sprintf("Kubernetes version %q %s", e.Version, e.Reason)
}

var releaseForm = regexp.MustCompile(`^v?\d+\.\d+(\.\d+([-+]k3s\d+)?)?$`)

// ResolveRelease finds the k3s release for a Kubernetes version: a minor
// ("1.36", which stands for the newest k3s release of it), a patch release
// ("1.36.2") or a k3s release ("v1.36.2+k3s1", also with the '-' of its image
// tag). The error is an [*UnsupportedVersionError].
func ResolveRelease(version string) (Release, error) {
	// An image tag cannot hold a '+'.
	normalized := strings.Replace(strings.TrimPrefix(version, "v"), "-k3s", "+k3s", 1)
	parsed, err := semver.NewVersion(normalized)
	if err != nil || !releaseForm.MatchString(version) {
		return Release{}, &UnsupportedVersionError{
			Version: version,
			Reason:  fmt.Sprintf("must be a minor (as %s) or a k3s release (as %s)", NewestMinor(), minors[newestMinor].newest),
		}
	}
	row, known := minors[parsed.Minor()]
	if parsed.Major() != 1 || !known {
		return Release{}, &UnsupportedVersionError{Version: version, Reason: "is not supported; supported: " + SupportedRange()}
	}
	switch {
	case strings.Count(normalized, ".") == 1:
		parsed = semver.MustParse(row.newest)
	case parsed.Metadata() == "":
		withBuild, err := parsed.SetMetadata("k3s1")
		if err != nil {
			return Release{}, fmt.Errorf("add k3s build to %q: %w", version, err)
		}
		parsed = &withBuild
	}
	kubernetes := "v" + parsed.String()
	image := "rancher/k3s:" + strings.ReplaceAll(kubernetes, "+", "-")
	if kubernetes == row.newest && row.digest != "" {
		image += "@" + row.digest
	}
	return Release{
		Kubernetes: kubernetes,
		Minor:      parsed.Minor(),
		Image:      image,
		Rules:      rulesFor(row, parsed),
	}, nil
}

// rulesFor derives the rules of one release.
//
// Sources, in the order of the fields: k8s.io/apiserver
// pkg/apis/apiserver/*/register.go at v0.25.0, v0.27.3, v0.34.0, v0.37.2;
// pkg/features/kube_features.go of k8s.io/{apiserver,kubernetes} (gates beta in
// 1.27, removed in 1.37 and 1.38); kubernetes/kubernetes#112979 (fixed in 1.26);
// https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/
// (failCgroupV1, default true from 1.35); pkg/kubelet/kubelet.go (syncPod spans
// from 1.27); k8s.io/apiserver pkg/endpoints/filters/traces.go at v0.32.13 and
// v0.33.13 (WithPublicEndpointFn); go.etcd.io/etcd/server/v3 embed/config.go at v3.5.10, v3.5.11,
// v3.6.0.
func rulesFor(row minorRow, version *semver.Version) Rules {
	minor, etcd := version.Minor(), row.etcdOf(version)
	rules := Rules{
		APIServerTracingVersion: "apiserver.config.k8s.io/v1beta1",
		NeedsFeatureGates:       minor < 27,
		EgressSelectorPanics:    minor == 25,
		RefusesCgroupV1:         minor >= 35,
		SyncPodSpans:            minor >= 27,
		EtcdTracing:             etcdTracing(semver.MustParse(etcd)),
		Etcd:                    etcd,
		ContinuesTraces:         minor >= 33,
		Containerd:              at(row.containerd, version.Patch()),
	}
	switch {
	case minor < 27:
		rules.APIServerTracingVersion = "apiserver.config.k8s.io/v1alpha1"
	case minor >= 34:
		rules.APIServerTracingVersion = "apiserver.config.k8s.io/v1"
	}
	return rules
}

// etcdOf returns the version of the etcd that a k3s release embeds.
func (r minorRow) etcdOf(version *semver.Version) string {
	if etcd, rebuilt := r.rebuiltEtcd["v"+version.String()]; rebuilt {
		return etcd
	}
	return at(r.etcd, version.Patch())
}

func etcdTracing(etcd *semver.Version) EtcdTracing {
	switch {
	case etcd.Minor() >= 6:
		return EtcdStable
	case etcd.Patch() >= 11:
		return EtcdExperimental
	default:
		return EtcdExperimentalWithoutRate
	}
}

// at returns the version that a patch release has: that of the last entry that is not
// newer.
func at(versions []sincePatch, patch uint64) string {
	found := versions[0].version
	for _, entry := range versions {
		if entry.patch <= patch {
			found = entry.version
		}
	}
	return found
}
