package conformance

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// collectorGRPC is the endpoint of kube-apiserver, kubelet and etcd.
const collectorGRPC = tracing.CollectorAlias + ":4317"

func TestReleases(t *testing.T) {
	results := newTable("k3s")
	defer func() { t.Log("\n" + results.String()) }()
	for _, release := range releases {
		files := render(t, release.k3s, distinctRates)
		check := func(component string, by reader, test func(*testing.T, reader, rendered)) {
			results.check(t, release.k3s, component, by, func(t *testing.T) { test(t, by, files) })
		}
		check("kube-apiserver", kubernetesReader(release.kubernetes), checkAPIServer)
		check("kubelet", kubernetesReader(release.kubernetes), checkKubelet)
		check("etcd", etcdReaders[files.release.Rules.Etcd], checkEtcd)
		check("containerd", containerdReaders[files.release.Rules.Containerd], checkContainerd)
		for _, reader := range k3dReaders {
			check("k3d "+reader.program.Version, reader, checkK3d)
		}
	}
}

// The limits of the rates, and clusters with other numbers of nodes, at both ends of
// the supported range.
func TestReleases_LimitsAndShapes(t *testing.T) {
	most := tracing.Sampling{
		APIServer: tracing.SamplingRateMax, Etcd: tracing.SamplingRateMax,
		Kubelet: tracing.SamplingRateMax, Runtime: tracing.SamplingRateMax,
	}
	for _, release := range []release{releases[0], releases[len(releases)-1]} {
		for name, shape := range map[string]tracing.ClusterSpec{
			"highest rates, one server":             {Servers: 1, Sampling: most},
			"rates of 0, one server without etcd":   {Servers: 1},
			"rates of 0, three servers with agents": {Servers: 3, Agents: 2},
		} {
			t.Run(release.k3s+"/"+name, func(t *testing.T) {
				spec := render(t, release.k3s, distinctRates).spec
				spec.Servers, spec.Agents, spec.Sampling = shape.Servers, shape.Agents, shape.Sampling
				files := renderSpec(t, spec)
				checkAPIServer(t, kubernetesReader(release.kubernetes), files)
				checkKubelet(t, kubernetesReader(release.kubernetes), files)
				for _, reader := range k3dReaders {
					checkK3d(t, reader, files)
				}
				if spec.Sampling.Etcd > 0 {
					checkEtcd(t, etcdReaders[spec.Release.Rules.Etcd], files)
				} else {
					assert.Empty(t, files.k3sServer(t).Etcd, "a rate of 0 leaves etcd's tracing off")
				}
			})
		}
	}
}

// The table has a row for every supported minor, and a reader for each component in
// it.
func TestReleases_CoverVersionTable(t *testing.T) {
	covered := map[uint64]bool{}
	for _, release := range releases {
		resolved, err := tracing.ResolveRelease(release.k3s)
		require.NoError(t, err)
		covered[resolved.Minor] = true
		assert.Contains(t, etcdReaders, resolved.Rules.Etcd, "etcd of %s", release.k3s)
		assert.Contains(t, containerdReaders, resolved.Rules.Containerd, "containerd of %s", release.k3s)
		by, err := tracing.ResolveRelease(release.kubernetes)
		require.NoError(t, err)
		assert.Equal(t, resolved.Minor, by.Minor, "%s is decoded by Kubernetes %s", release.k3s, release.kubernetes)
	}
	for minor := range uint64(100) {
		_, err := tracing.ResolveRelease(fmt.Sprintf("1.%d", minor))
		assert.Equal(t, err == nil, covered[minor], "1.%d is supported, or has a row, but not both", minor)
	}
}
