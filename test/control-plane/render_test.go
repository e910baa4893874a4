package controlplane

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// node is what the program renders for the only server of a cluster, written to a
// folder in place of tracing.ConfigDirectory.
type node struct {
	// etcd and apiserver are the arguments that k3s passes on, as NAME=VALUE.
	etcd, apiserver []string
	// containerd is its environment.
	containerd []string
}

// render renders for a receiver whose host is given; the OTLP ports are fixed.
func render(t *testing.T, k3s, receiver string, sampling tracing.Sampling) node {
	t.Helper()
	release, err := tracing.ResolveRelease(k3s)
	require.NoError(t, err)
	subnet, err := tracing.ParseSubnet("10.112.4.0/22")
	require.NoError(t, err)
	files, err := tracing.RenderCluster(tracing.ClusterSpec{
		Name:         "control-plane",
		Release:      release,
		NodeImage:    release.Image,
		Servers:      1,
		Network:      "control-plane",
		Subnet:       subnet,
		Receiver:     receiver,
		ConfigVolume: "control-plane",
		APIPort:      16443,
		OwnerLabel:   "kubetracing.stack=control-plane",
		Sampling:     sampling,
	})
	require.NoError(t, err)

	folder := t.TempDir()
	content := map[string]string{}
	for _, file := range files.Node {
		content[file.Name] = file.Content
		require.NoError(t, os.WriteFile(filepath.Join(folder, file.Name), []byte(file.Content), 0o600))
	}
	var server struct {
		Etcd      []string `json:"etcd-arg"`
		APIServer []string `json:"kube-apiserver-arg"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(content[tracing.FileK3sServer]), &server))
	return node{
		etcd:       mounted(server.Etcd, folder),
		apiserver:  mounted(server.APIServer, folder),
		containerd: strings.Split(strings.TrimSpace(content[tracing.FileContainerd]), "\n"),
	}
}

// mounted makes arguments refer to a folder instead of the node's mount, and adds
// the dashes of a command line.
func mounted(arguments []string, folder string) []string {
	var flags []string
	for _, argument := range arguments {
		flags = append(flags, "--"+strings.Replace(argument, "="+tracing.ConfigDirectory+"/", "="+folder+"/", 1))
	}
	return flags
}
