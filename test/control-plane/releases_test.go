package controlplane

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/processes/build"
)

// release is a k3s release and the upstream programs that stand for what it
// embeds.
type release struct {
	k3s                         string
	apiserver, etcd, containerd build.Program
}

func newRelease(k3s, kubernetes, etcd, containerd string) release {
	return release{
		k3s: k3s,
		apiserver: build.Program{
			Folder: "test/control-plane/kube-apiserver", Version: kubernetes,
			Package: "k8s.io/kubernetes/cmd/kube-apiserver",
		},
		etcd: build.Program{
			Folder: "test/control-plane/etcd", Version: etcd, Package: "go.etcd.io/etcd/server/v3",
		},
		containerd: build.Program{
			Folder: "test/control-plane/containerd", Version: containerd,
			Package: "github.com/containerd/containerd/v2/cmd/containerd",
		},
	}
}

// releases are the releases that can be run, newest first.
var releases = []release{
	newRelease("v1.37.1+k3s1", "1.37.1", "3.7.1", "2.3.5"),
	newRelease("v1.36.4+k3s1", "1.36.4", "3.6.14", "2.3.5"),
}

// minorsVariable lists the minors to run, as "1.37,1.36", or "all". The default is
// the newest: a kube-apiserver compiles for many minutes.
const minorsVariable = "MINORS"

// selected returns the releases to run and logs the others.
func selected(t *testing.T) []release {
	t.Helper()
	wanted := os.Getenv(minorsVariable)
	var run []release
	var minors []string
	for i, release := range releases {
		minor := minorOf(release.k3s)
		minors = append(minors, minor)
		if wanted == "all" || slices.Contains(strings.Split(wanted, ","), minor) || (wanted == "" && i == 0) {
			run = append(run, release)
			continue
		}
		t.Logf("not run: %s; %s=%s or all runs it", minor, minorsVariable, minor)
	}
	require.NotEmpty(t, run, "%s=%s names none of %s", minorsVariable, wanted, strings.Join(minors, ", "))
	return run
}

// minorOf returns the minor of a k3s release, as "1.37".
func minorOf(k3s string) string {
	parts := strings.SplitN(strings.TrimPrefix(k3s, "v"), ".", 3)
	return parts[0] + "." + parts[1]
}

// Every release here matches its row in the version table, and the newest minor of
// the table is among them.
func TestReleases_MatchVersionTable(t *testing.T) {
	require.Equal(t, tracing.NewestMinor(), minorOf(releases[0].k3s))
	for _, release := range releases {
		resolved, err := tracing.ResolveRelease(release.k3s)
		require.NoError(t, err)
		require.Equal(t, resolved.Rules.Etcd, release.etcd.Version)
		require.Equal(t, resolved.ContainerdRelease().Version, release.containerd.Version)
		require.True(t, strings.HasPrefix(release.k3s, "v"+release.apiserver.Version+"+"))
	}
}
