package conformance

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// distinctRates has a different rate for each component, so that a rate in the wrong
// file is noticed.
var distinctRates = tracing.Sampling{
	APIServer: 100_001, Etcd: 200_002, Kubelet: 300_003, Runtime: tracing.SamplingRateMax, Collector: 500_005,
}

// rendered is what the program renders for one release.
type rendered struct {
	spec    tracing.ClusterSpec
	release tracing.Release
	k3d     string
	files   map[string]string
}

// render renders a cluster of one server and one agent.
func render(t *testing.T, k3s string, sampling tracing.Sampling) rendered {
	t.Helper()
	release, err := tracing.ResolveRelease(k3s)
	require.NoError(t, err)
	subnet, err := tracing.ParseSubnet("10.112.4.0/22")
	require.NoError(t, err)
	return renderSpec(t, tracing.ClusterSpec{
		Name:         "conformance",
		Release:      release,
		Runtime:      tracing.Runtime{Name: tracing.RuntimeContainerd, Default: tracing.OCIRunc},
		NodeImage:    release.Image,
		Servers:      1,
		Agents:       1,
		Network:      "conformance-network",
		Subnet:       subnet,
		Receiver:     tracing.CollectorAlias,
		ConfigVolume: "conformance-config",
		APIPort:      16443,
		OwnerLabel:   "kubetracing.stack=conformance",
		Sampling:     sampling,
	})
}

func renderSpec(t *testing.T, spec tracing.ClusterSpec) rendered {
	t.Helper()
	cluster, err := tracing.RenderCluster(spec)
	require.NoError(t, err)
	files := map[string]string{}
	for _, file := range cluster.Node {
		files[file.Name] = file.Content
	}
	return rendered{spec: spec, release: spec.Release, k3d: cluster.K3d, files: files}
}

// k3sServer is the part of a k3s server's configuration file that k3s passes on
// to the components it embeds.
type k3sServer struct {
	Etcd      []string `json:"etcd-arg"`
	APIServer []string `json:"kube-apiserver-arg"`
	Kubelet   []string `json:"kubelet-arg"`
}

func (r rendered) k3sServer(t *testing.T) k3sServer {
	t.Helper()
	var config k3sServer
	require.NoError(t, yaml.Unmarshal([]byte(r.files[tracing.FileK3sServer]), &config))
	return config
}

// mountedFile returns the content of the file that an argument NAME=PATH of a node
// process names.
func (r rendered) mountedFile(t *testing.T, arguments []string, name string) string {
	t.Helper()
	path := argument(arguments, name)
	file, mounted := strings.CutPrefix(path, tracing.ConfigDirectory+"/")
	require.True(t, mounted, "--%s=%s is below %s", name, path, tracing.ConfigDirectory)
	require.Contains(t, r.files, file)
	return r.files[file]
}

// argument returns the value of NAME=VALUE, or "".
func argument(arguments []string, name string) string {
	for _, candidate := range arguments {
		if value, found := strings.CutPrefix(candidate, name+"="); found {
			return value
		}
	}
	return ""
}

// replaceOnce replaces one passage of a rendered text. The passage must be there, so
// that a changed renderer does not make a negative case meaningless.
func replaceOnce(t *testing.T, text, passage, replacement string) string {
	t.Helper()
	require.Contains(t, text, passage)
	return strings.Replace(text, passage, replacement, 1)
}
