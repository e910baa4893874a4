package stacks

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/workloads/catalog"
)

// The values that each enumerated key accepts.
var (
	runtimeNames   = []tracing.RuntimeName{tracing.RuntimeContainerd, tracing.RuntimeCRIO}
	ociRuntimes    = []tracing.OCIRuntime{tracing.OCIRunc, tracing.OCICrun, tracing.OCIYouki}
	jaegerStorages = []tracing.JaegerStorage{
		tracing.StorageMemory, tracing.StorageBadger, tracing.StorageOpenSearch, tracing.StorageElasticsearch,
	}
	queues        = []Queue{QueueMemory, QueueDisk}
	workloads     = workloadNames()
	otlpProtocols = []string{"grpc", "http"}
)

// workloadNames returns the names of the catalog.
func workloadNames() []Workload {
	var names []Workload
	for _, name := range catalog.Names() {
		names = append(names, Workload(name))
	}
	return names
}

// maxVerifyTimeout keeps a mistyped timeout from blocking an update for hours.
const maxVerifyTimeout = time.Hour

// maxNodes is the number of nodes that can have a pod network: k3s gives each a /24 of
// 10.42.0.0/16.
//
// Sources: https://docs.k3s.io/cli/server (cluster-cidr), kube-controller-manager
// (node-cidr-mask-size).
const maxNodes = 256

var ruleNodes = fmt.Sprintf("must leave at most %d nodes: the pod network has no room for more", maxNodes)

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// validator collects the problems of one project's settings.
type validator struct {
	project  string
	secret   secretSections
	problems []Problem
}

// reject adds a problem. It shows the value, unless that may have a password in it.
func (v *validator) reject(key string, value any, rule string) {
	text := fmt.Sprint(value)
	switch {
	case hasCredentials(text):
		text = ""
	case text == "":
		text = `""`
	}
	v.problems = append(v.problems, Problem{v.project + ":" + key, text, rule})
}

// hide adds a problem without the value.
func (v *validator) hide(key, rule string) {
	v.problems = append(v.problems, Problem{Field: v.project + ":" + key, Rule: rule})
}

// isSecret reports whether a key is in a section whose values must not be shown.
func (v *validator) isSecret(key string) bool { return v.secret.has(v.secret.section(v.project, key)) }

// validate checks settings whose types are right and returns every problem with their
// values.
func validate(project string, s Settings, secret secretSections) []Problem {
	v := &validator{project: project, secret: secret}
	v.cluster(s.Cluster)
	v.pulls(s.Cluster)
	v.network(s)
	v.runtime(s)
	v.sampling(s.Sampling)
	v.etcdRate(s)
	v.jaeger(s.Jaeger)
	if s.Collector.Enabled {
		v.collector(s)
	} else {
		v.noCollector(s)
	}
	v.ports(s)
	v.workloads(s.Workloads)
	v.imageVersions(s)
	if s.Verify.Timeout <= 0 || s.Verify.Timeout > maxVerifyTimeout {
		v.reject("verify.timeout", s.Verify.Timeout, fmt.Sprintf("must be above 0 and at most %s", maxVerifyTimeout))
	}
	if isHome(s.Verify.Expectations) {
		v.reject("verify.expectations", s.Verify.Expectations, ruleHome)
	}
	return v.problems
}

func (v *validator) cluster(c ClusterSettings) {
	if _, err := tracing.ResolveRelease(c.Kubernetes); err != nil {
		rule := strings.TrimPrefix(err.Error(), fmt.Sprintf("Kubernetes version %q ", c.Kubernetes))
		if c.Kubernetes == "1.3" {
			rule += ` (YAML reads an unquoted 1.30 as 1.3: write "1.30")`
		}
		v.reject("cluster.kubernetes", c.Kubernetes, rule)
	}
	if c.Image != "" {
		v.image("cluster.image", c.Image)
	}
	if c.Servers < 1 {
		v.reject("cluster.servers", c.Servers, "must be at least 1")
	}
	if c.Agents < 0 {
		v.reject("cluster.agents", c.Agents, "must be at least 0")
	}
	// One at a time: the sum of two huge numbers is a small one.
	for _, count := range []struct {
		key   string
		value int
	}{{"servers", c.Servers}, {"agents", c.Agents}} {
		if count.value > maxNodes {
			v.reject("cluster."+count.key, count.value, ruleNodes)
			return
		}
	}
	if c.Servers+c.Agents > maxNodes {
		v.reject("cluster.agents", c.Agents, fmt.Sprintf("with %d servers, %s", c.Servers, ruleNodes))
	}
}

func (v *validator) network(s Settings) {
	if s.Network.Subnet == "" {
		return
	}
	subnet, err := tracing.ParseSubnet(s.Network.Subnet)
	if err != nil {
		v.reject("network.subnet", s.Network.Subnet, err.Error())
		return
	}
	if nodes := s.Cluster.Servers + s.Cluster.Agents; nodes > subnet.Nodes() && nodes <= maxNodes {
		v.reject("network.subnet", s.Network.Subnet, fmt.Sprintf("has room for %d nodes, but there are %d", subnet.Nodes(), nodes))
	}
}

func (v *validator) sampling(s SamplingSettings) {
	v.rate("sampling.apiserver", s.APIServer)
	v.rate("sampling.etcd", s.Etcd)
	v.rate("sampling.kubelet", s.Kubelet)
	v.rate("sampling.runtime", s.Runtime)
	v.rate("sampling.collector", s.Collector)
}

func (v *validator) rate(key string, rate int) {
	if rate < 0 || rate > tracing.SamplingRateMax {
		v.reject(key, rate, fmt.Sprintf("must be an integer from 0 to %d (spans per million)", tracing.SamplingRateMax))
	}
}

// etcdRate refuses a rate that the release's etcd would silently ignore.
func (v *validator) etcdRate(s Settings) {
	release, err := tracing.ResolveRelease(s.Cluster.Kubernetes)
	if err != nil || release.Rules.EtcdTracing != tracing.EtcdExperimentalWithoutRate {
		return
	}
	if rate := s.Sampling.Etcd; rate > 0 && rate < tracing.SamplingRateMax {
		v.reject("sampling.etcd", rate, fmt.Sprintf("must be 0 or %d with %s: its etcd %s has no sampling rate",
			tracing.SamplingRateMax, release.Kubernetes, release.Rules.Etcd))
	}
}

// noCollector refuses settings that only a Collector could apply: they would be
// silently ignored.
func (v *validator) noCollector(s Settings) {
	const rule = "needs a Collector, but collector.enabled is false"
	reject := func(key string, value any) { v.reject(key, value, rule) }
	defaults := Defaults()
	if s.Sampling.Collector != defaults.Sampling.Collector {
		reject("sampling.collector", s.Sampling.Collector)
	}
	if s.Collector.Image != defaults.Collector.Image {
		reject("collector.image", s.Collector.Image)
	}
	if port := s.Collector.OTLPGRPCPort; port != nil {
		reject("collector.otlpGrpcPort", *port)
	}
	if port := s.Collector.OTLPHTTPPort; port != nil {
		reject("collector.otlpHttpPort", *port)
	}
	for i, exporter := range s.Collector.Exporters {
		reject(fmt.Sprintf("collector.exporters[%d]", i), exporter.Name)
	}
	if s.Collector.Queue != "" {
		reject("collector.queue", s.Collector.Queue)
	}
	if s.Collector.TailSampling != nil {
		reject("collector.tailSampling", "chosen")
	}
	if s.Collector.Debug {
		reject("collector.debug", s.Collector.Debug)
	}
}

// ports checks that every published port is a port and that no two are the same.
func (v *validator) ports(s Settings) {
	owner := map[int]string{}
	for _, port := range s.Ports() {
		if port.Number < 1 || port.Number > 65535 {
			v.reject(port.Key, port.Number, "must be a port from 1 to 65535")
			continue
		}
		if other, taken := owner[port.Number]; taken {
			v.reject(port.Key, port.Number, fmt.Sprintf("is already the port of %s:%s", v.project, other))
			continue
		}
		owner[port.Number] = port.Key
	}
}

func (v *validator) workloads(chosen []Workload) {
	for i, workload := range chosen {
		key := "workloads[" + strconv.Itoa(i) + "]"
		oneOf(v, key, workload, workloads)
		if slices.Contains(chosen[:i], workload) {
			v.reject(key, workload, "is listed twice")
		}
	}
}

// ruleHome refuses a path that only a shell would expand.
const ruleHome = "must not begin with ~, which only a shell replaces: write the whole path, or one below the project's root"

// isHome reports whether a path begins with what a shell replaces by a home directory.
func isHome(path string) bool { return strings.HasPrefix(path, "~") }

var imageDigest = regexp.MustCompile(`@sha(256|512):[0-9a-f]*`)

// hasCredentials reports whether text may have a user or a password in it, as in
// https://user:password@host.
func hasCredentials(text string) bool {
	return strings.Contains(imageDigest.ReplaceAllString(text, ""), "@")
}

// urlHasCredentials reports whether a URL, or text that was meant as one, has a user or
// a password in it.
func urlHasCredentials(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return hasCredentials(text)
	}
	return u.User != nil
}

func isHTTPURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && isHost(u.Hostname()) && (u.Port() == "" || isPort(u.Port())) &&
		(u.Scheme == "https" || u.Scheme == "http")
}

func isHostPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	return err == nil && isHost(host) && isPort(port)
}

var (
	// hostName also accepts the underscores that names of containers may have.
	hostName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$`)
	// numericHost matches what some programs read as an IPv4 address, as 127.1 and
	// 0x7f000001.
	//
	// Source: https://url.spec.whatwg.org/#ends-in-a-number-checker.
	numericHost = regexp.MustCompile(`^(.*\.)?([0-9]+|0[xX][0-9A-Fa-f]*)\.?$`)
)

func isHost(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil || (hostName.MatchString(text) && !numericHost.MatchString(text))
}

// isPort accepts only digits: a dialer looks anything else up as a service's name.
func isPort(text string) bool {
	number, err := strconv.ParseUint(text, 10, 16)
	return err == nil && number > 0
}

// oneOf checks an enumerated value.
func oneOf[T ~string](v *validator, key string, value T, valid []T) {
	if slices.Contains(valid, value) {
		return
	}
	names := make([]string, len(valid))
	for i, choice := range valid {
		names[i] = string(choice)
	}
	v.reject(key, string(value), "must be one of: "+strings.Join(names, ", "))
}
