package stacks

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kubetracing/kubetracing/components/expectations"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/components/workloads/catalog"
)

// Stack is one stack, decoded, defaulted and validated.
type Stack struct {
	// Project is the Pulumi project, which is also the namespace of its keys.
	Project string
	// Names are its physical names.
	Names Names
	// Settings are its choices.
	Settings Settings
	// Release is the k3s release that Settings.Cluster.Kubernetes stands for.
	Release tracing.Release
	// Subnet is the range of its Docker network.
	Subnet tracing.Subnet
	// Root is the folder below which the files are that the configuration names.
	Root string
	// Expectations are those of the file that Settings.Verify.Expectations names.
	Expectations []verify.Expectation

	// authorities are the certificates of Settings.Cluster.CertificateAuthorities, in PEM.
	authorities string
	// secretProxy keeps the URLs of the nodes' proxies out of what is shown.
	secretProxy bool
	// secretEndpoints keeps the endpoints of exporters out of the Collector's
	// configuration.
	secretEndpoints bool
}

// New reads a stack as [Open] does, with the current folder as its root.
func New(project, stack string, config map[string]string) (Stack, error) {
	return Open(".", project, stack, config)
}

// Open reads a stack as [OpenConfig] does, from a configuration whose encrypted values
// are blinded.
func Open(root, project, stack string, config map[string]string) (Stack, error) {
	return OpenConfig(root, project, stack, Config{Values: config})
}

// OpenConfig reads a stack from its configuration. Files that the configuration names
// are below the folder root. The error is a [Problems] with every mistake.
func OpenConfig(root, project, stack string, config Config) (Stack, error) {
	names := NewNames(project, stack)
	settings, secret, problems := decode(project, config)
	problems = append(names.validate(), problems...)
	problems = append(problems, secret.problems(project, settings)...)
	authorities, unusable := readAuthorities(root, project, settings.Cluster.CertificateAuthorities)
	rules := slices.Concat(validate(project, settings, secret), validateDestinations(project, names, settings, secret), unusable)
	problems = append(problems, slices.DeleteFunc(rules, func(p Problem) bool {
		// A value that could not be decoded is empty now; that is no second mistake.
		return slices.ContainsFunc(problems, func(decoded Problem) bool { return decoded.Field == p.Field })
	})...)
	expectations, err := readExpectations(root, settings.Verify.Expectations)
	if err != nil {
		problems = append(problems, Problem{project + ":verify.expectations", settings.Verify.Expectations, err.Error()})
	}
	if problems = secret.hide(project, problems); len(problems) > 0 {
		return Stack{}, Problems(problems)
	}
	release, err := tracing.ResolveRelease(settings.Cluster.Kubernetes)
	if err != nil {
		return Stack{}, fmt.Errorf("resolve Kubernetes version: %w", err)
	}
	if problems := phaseProblems(project, release, settings, expectations); len(problems) > 0 {
		return Stack{}, Problems(problems)
	}
	subnet, err := settings.Network.subnet(names)
	if err != nil {
		return Stack{}, fmt.Errorf("network: %w", err)
	}
	return Stack{
		Project: project, Names: names, Settings: settings, Release: release, Subnet: subnet,
		Root: root, Expectations: expectations,
		authorities: authorities, secretProxy: secret.has("cluster"), secretEndpoints: secret.has("collector"),
	}, nil
}

// readExpectations reads a file with trace-based tests, if there is one.
func readExpectations(root, file string) ([]verify.Expectation, error) {
	if file == "" || isHome(file) {
		return nil, nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(root, file)
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		// Without the path, which differs between machines.
		return nil, errors.New("must be a file; relative paths are below the project's root")
	}
	if err != nil {
		return nil, fmt.Errorf("must be readable: %w", err)
	}
	return verify.ReadExpectations(text)
}

// phaseProblems returns a problem for every expectation of a phase where no span names a
// pod.
func phaseProblems(project string, release tracing.Release, settings Settings, expectations []verify.Expectation) []Problem {
	var problems []Problem
	for _, expectation := range expectations {
		if expectation.Phase != "" && !release.Rules.SyncPodSpans {
			problems = append(problems, Problem{project + ":verify.expectations", settings.Verify.Expectations, fmt.Sprintf(
				"%q bounds a phase of pods, which kubelets name in their spans from Kubernetes 1.27 on", expectation.Name)})
		}
	}
	return problems
}

// BaseImage returns the k3s image that the node image is built on.
func (s Stack) BaseImage() string {
	if s.Settings.Cluster.Image != "" {
		return s.Settings.Cluster.Image
	}
	return s.Release.Image
}

// ClusterSpec returns everything that decides the cluster's files but the image of
// its nodes.
func (s Stack) ClusterSpec() tracing.ClusterSpec {
	return tracing.ClusterSpec{
		Name:         s.Names.Cluster,
		Release:      s.Release,
		Runtime:      s.Runtime(),
		Servers:      s.Settings.Cluster.Servers,
		Agents:       s.Settings.Cluster.Agents,
		Network:      s.Names.Network(),
		Subnet:       s.Subnet,
		Receiver:     s.receiver(),
		ConfigVolume: s.Names.Volume(),
		APIPort:      s.Settings.Cluster.APIPort,
		OwnerLabel:   spec.StackLabel + "=" + s.Names.Owner,
		Sampling:     tracing.Sampling(s.Settings.Sampling),
		Pulls:        s.pulls(),
	}
}

// Runtime returns what runs the containers.
func (s Stack) Runtime() tracing.Runtime {
	runtime := s.Settings.Runtime.runtime()
	if runtime.Name == tracing.RuntimeCRIO {
		runtime.CRIO, _ = s.Release.CRIORelease()
		if version := s.Settings.Runtime.Version; version != "" {
			runtime.CRIO = tracing.OwnCRIO(version)
		}
		if monitor := s.Settings.Runtime.Monitor; monitor != nil {
			runtime.CRIO.ConmonRs = monitor.conmonRs()
		}
	}
	return runtime
}

// Architectures returns those, such as amd64, for which the stack's official bundles
// are published; nil if it uses none.
func (s Stack) Architectures() []string {
	runtime := s.Runtime()
	switch {
	case s.Settings.Runtime.Bundle != nil:
		return nil
	case runtime.Name == tracing.RuntimeCRIO:
		return slices.Sorted(maps.Keys(runtime.CRIO.SHA256))
	default:
		return slices.Sorted(maps.Keys(s.Release.ContainerdRelease().SHA256))
	}
}

// Notes returns, in whole sentences, what the stack's choices leave out, so that
// nobody waits for spans that never arrive.
func (s Stack) Notes() []string {
	runtime := s.Runtime()
	var notes []string
	if s.Settings.Cluster.Servers == 2 {
		notes = append(notes, "Two servers tolerate the loss of neither: etcd needs a majority of its members. Three tolerate the loss of one.")
	}
	if runtime.Name == tracing.RuntimeCRIO {
		notes = append(notes, monitorNotes(runtime)...)
	}
	if len(runtime.Classes) > 0 && !s.Release.Rules.SyncPodSpans {
		notes = append(notes, fmt.Sprintf(
			"The kubelet of %s names no pod in its spans: the traces of the RuntimeClasses cannot be told apart.", s.Release.Kubernetes))
	}
	return notes
}

// monitorNotes say what CRI-O's container monitor does not show.
func monitorNotes(runtime tracing.Runtime) []string {
	var notes []string
	crio, conmonRs := runtime.CRIO.Version, runtime.CRIO.ConmonRs
	switch {
	case conmonRs == "":
		notes = append(notes, fmt.Sprintf(
			"The bundle of CRI-O %s has no conmon-rs: conmon, which knows no tracing, watches the containers.", crio))
	case !conmonRs.SendsSpans():
		notes = append(notes, fmt.Sprintf(
			"conmon-rs %s, which comes with CRI-O %s, is compiled without tracing: it sends no spans.", conmonRs, crio))
	case !conmonRs.JoinsTraces():
		notes = append(notes, fmt.Sprintf(
			"conmon-rs %s sends its spans in traces of its own, not in those of CRI-O: runtime.monitor.crio %s chooses one that joins them.",
			conmonRs, tracing.PublishedCRIOWithJoinedTraces().Version))
	}
	if conmonRs.SendsSpans() && runtime.Uses(tracing.OCIYouki) {
		notes = append(notes, "youki does not run under conmon-rs: conmon, which knows no tracing, watches its containers.")
	}
	return notes
}

// conmonRs is the release that the settings choose.
func (m MonitorSettings) conmonRs() tracing.ConmonRs {
	if release, published := tracing.PublishedCRIO(m.CRIO); published {
		return release.ConmonRs
	}
	return tracing.ConmonRs(m.Version)
}

// receiver returns the network alias of what the nodes export their spans to.
func (s Stack) receiver() string {
	if s.Settings.Collector.Enabled {
		return tracing.CollectorAlias
	}
	return tracing.JaegerAlias
}

// JaegerSpec returns what decides Jaeger's configuration.
func (s Stack) JaegerSpec() tracing.JaegerSpec {
	jaeger := s.Settings.Jaeger
	spec := tracing.JaegerSpec{
		Version: jaegerVersion(jaeger.Image),
		Storage: jaeger.Storage, Retention: jaeger.Retention.String(), MaxTraces: jaeger.MaxTraces,
	}
	if jaeger.Server != nil {
		spec.Server = s.server()
	}
	return spec
}

// server returns how Jaeger reaches the OpenSearch or Elasticsearch.
func (s Stack) server() *tracing.JaegerServer {
	storage, server := s.Settings.Jaeger.Storage, s.Settings.Jaeger.Server
	synchronous := writesSynchronously(s.Settings.Jaeger.Image)
	if s.Settings.OwnServer() {
		return &tracing.JaegerServer{
			URL: storage.OwnURL(), Username: storage.Superuser(), IndexPrefix: s.Names.Cluster, SingleNode: true,
			Synchronous: synchronous,
		}
	}
	return &tracing.JaegerServer{
		URL: server.URL, Username: server.Username, CA: server.CA, IndexPrefix: s.Names.Cluster,
		Synchronous: synchronous,
	}
}

// ServerPassword returns the password for the OpenSearch or Elasticsearch; empty if
// there is none.
func (s Stack) ServerPassword() string {
	if server := s.Settings.Jaeger.Server; server != nil {
		return string(server.Password)
	}
	return ""
}

// CollectorSpec returns what decides the Collector's configuration.
func (s Stack) CollectorSpec() tracing.CollectorSpec {
	spec := tracing.CollectorSpec{
		SamplingRate: s.Settings.Sampling.Collector,
		DiskQueue:    s.Settings.DiskQueue(),
		Debug:        s.Settings.Collector.Debug,
		ConmonRs:     s.Runtime().ConmonRs().SendsSpans(),
	}
	if tail := s.Settings.Collector.TailSampling; tail != nil {
		spec.TailSampling = &tracing.TailSampling{
			SlowMilliseconds: tail.SlowerThan.Milliseconds(), Rate: tail.Rate, Wait: tail.Wait.String(),
		}
	}
	for _, exporter := range s.Settings.Collector.Exporters {
		exporterSpec := exporter.spec()
		exporterSpec.SecretEndpoint = s.secretEndpoints
		spec.Exporters = append(spec.Exporters, exporterSpec)
	}
	return spec
}

// CollectorSecrets returns the environment variables from which the Collector reads
// what must not be in its configuration in the clear.
func (s Stack) CollectorSecrets() map[string]string {
	secrets := map[string]string{}
	for _, exporter := range s.Settings.Collector.Exporters {
		if s.secretEndpoints {
			secrets[exporter.spec().EndpointVariable()] = exporter.Endpoint
		}
		for header, value := range exporter.Headers {
			secrets[exporter.spec().HeaderVariable(header)] = string(value)
		}
	}
	return secrets
}

func (e ExporterSettings) spec() tracing.OTLPExporter {
	return tracing.OTLPExporter{
		Name: e.Name, Endpoint: e.Endpoint, Protocol: e.Protocol, Insecure: e.Insecure, CA: e.CA,
		Headers: slices.Sorted(maps.Keys(e.Headers)),
	}
}

// Layout is what follows from a stack's settings alone: where its parts are found,
// and what their traces must show. The program and the command line share it.
type Layout struct {
	// Cluster decides the cluster's files, except the image of its nodes.
	Cluster tracing.ClusterSpec
	// Nodes are the Docker names of the cluster's nodes, servers first.
	Nodes []string
	// Containers are the Docker names of everything that spans come from and pass
	// through, in the order in which to read about them: storage first, nodes last.
	Containers []string
	// JaegerURL is the URL of Jaeger's UI and query API on this machine.
	JaegerURL string
	// MaxAge is the age at which a search server deletes a trace, beyond which it must not
	// be asked; 0 with other storage, which can be asked for everything that it has.
	MaxAge time.Duration
	// Workloads decides how the workloads run.
	Workloads catalog.Target
	// Expected is what the traces must show.
	Expected Expected
}

// Expected is what the traces of a stack must show.
type Expected struct {
	// Services are the services that send spans.
	Services []verify.Expectation
	// Workloads are the traces of the test workloads.
	Workloads []verify.Expectation
	// Own are the expectations of the user's own file.
	Own []verify.Expectation
}

// All returns the expectations in one list.
func (e Expected) All() []verify.Expectation { return slices.Concat(e.Services, e.Workloads, e.Own) }

// Layout returns what follows from the stack's settings.
func (s Stack) Layout() Layout {
	cluster, rate := s.ClusterSpec(), s.Settings.CollectorRate()
	layout := Layout{
		Cluster:   cluster,
		Nodes:     cluster.NodeNames(),
		JaegerURL: spec.JaegerURL(s.Settings.Jaeger.UIPort),
		Workloads: catalog.Target{Cluster: cluster, CollectorRate: rate, OTLPAddress: s.receiverAddress()},
		Expected:  Expected{Services: expectations.Services(cluster, rate), Own: s.Expectations},
	}
	for _, name := range s.Settings.Workloads {
		if workload, known := catalog.Find(string(name)); known {
			layout.Expected.Workloads = append(layout.Expected.Workloads, workload.Expectations(layout.Workloads)...)
		}
	}
	if s.Settings.Jaeger.Storage.IsServer() {
		layout.MaxAge = s.Settings.Jaeger.MaxAge()
	}
	if s.Settings.OwnServer() {
		layout.Containers = append(layout.Containers, s.Names.Server(s.Settings.Jaeger.Storage))
	}
	layout.Containers = append(layout.Containers, s.Names.Jaeger())
	if s.Settings.Collector.Enabled {
		layout.Containers = append(layout.Containers, s.Names.Collector())
	}
	layout.Containers = append(layout.Containers, layout.Nodes...)
	return layout
}

// receiverAddress returns the IPv4 address of the receiver on the stack's network.
func (s Stack) receiverAddress() string {
	if s.Settings.Collector.Enabled {
		return s.Subnet.Collector()
	}
	return s.Subnet.Jaeger()
}

// Named returns the stack with a suffix on every physical name, for a program that
// creates several traced clusters in one Pulumi stack. Unless the settings choose a
// subnet, it gets one of its own. Its ports are those of its settings.
func (s Stack) Named(suffix string) (Stack, error) {
	s.Names = s.Names.with(suffix)
	problems := append(s.Names.validate(), validateDestinations(s.Project, s.Names, s.Settings, nil)...)
	if len(problems) > 0 {
		return Stack{}, Problems(problems)
	}
	var err error
	s.Subnet, err = s.Settings.Network.subnet(s.Names)
	return s, err
}
