package conformance

import "github.com/kubetracing/kubetracing/test/processes"

// release is a k3s release and the upstream Kubernetes that stands for its own.
type release struct {
	// k3s is the release that files are rendered for.
	k3s string
	// kubernetes is the Kubernetes release whose modules read the apiserver's and
	// the kubelet's files.
	kubernetes string
}

// releases are the newest k3s release of every supported minor, and older ones
// where the same minor once had an etcd or a containerd with other rules.
//
// A k3s release embeds the Kubernetes patch release that it is named after. Where
// the public module proxy lacks that one, a neighbour stands in.
var releases = []release{
	{k3s: "v1.25.4+k3s1", kubernetes: "1.25.4"},
	{k3s: "v1.25.16+k3s4", kubernetes: "1.25.4"},
	{k3s: "v1.26.15+k3s1", kubernetes: "1.26.3"},
	{k3s: "v1.27.16+k3s1", kubernetes: "1.27.3"},
	{k3s: "v1.28.15+k3s1", kubernetes: "1.28.3"},
	{k3s: "v1.29.15+k3s1", kubernetes: "1.29.3"},
	{k3s: "v1.30.14+k3s2", kubernetes: "1.30.14"},
	{k3s: "v1.31.14+k3s1", kubernetes: "1.31.14"},
	{k3s: "v1.32.13+k3s1", kubernetes: "1.32.13"},
	{k3s: "v1.33.4+k3s1", kubernetes: "1.33.13"},
	{k3s: "v1.33.13+k3s2", kubernetes: "1.33.13"},
	{k3s: "v1.34.11+k3s1", kubernetes: "1.34.11"},
	{k3s: "v1.35.9+k3s1", kubernetes: "1.35.8"},
	{k3s: "v1.36.4+k3s1", kubernetes: "1.36.4"},
	{k3s: "v1.37.1+k3s1", kubernetes: "1.37.1"},
}

func kubernetesReader(version string) reader { return newReader("kubernetes", version) }

func etcdReader(version string) reader { return newReader("etcd", version) }

// etcdReaders are the readers by version of the embedded etcd: its own version, except that
// 3.5.21 stands in for 3.5.25.
var etcdReaders = map[string]reader{
	"3.5.3":  etcdReader("3.5.3"),
	"3.5.9":  etcdReader("3.5.9"),
	"3.5.13": etcdReader("3.5.13"),
	"3.5.18": etcdReader("3.5.18"),
	"3.5.21": etcdReader("3.5.21"),
	"3.5.25": etcdReader("3.5.21"),
	"3.6.14": etcdReader("3.6.14"),
	"3.7.1":  etcdReader("3.7.1"),
}

// containerdReaders are the readers by containerd line: the release that the
// program pairs with that line, except that 1.6.36 stands in for 1.6.39.
var containerdReaders = map[string]reader{
	"1.6": newReader("containerd", "1.6.36", "containerd1"),
	"1.7": newReader("containerd", "1.7.34", "containerd1"),
	"2.0": newReader("containerd", "2.0.11"),
	"2.1": newReader("containerd", "2.1.9"),
	"2.2": newReader("containerd", "2.2.7"),
	"2.3": newReader("containerd", "2.3.5"),
}

// validateCommand makes an upstream command check a configuration on standard input.
var validateCommand = []string{"validate", "--config", "/dev/stdin"}

var (
	collectorReader = reader{program: processes.Collector, validate: validateCommand}
	jaegerReader    = reader{program: processes.Jaeger, validate: validateCommand}
	// k3dReaders are the installed k3d and the oldest that may be on PATH instead.
	k3dReaders = []reader{newReader("k3d", "5.9.0"), newReader("k3d", "5.8.3")}
)
