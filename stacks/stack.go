package stacks

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
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
	// Expectations are those of the file that Settings.Verify.Expectations names.
	Expectations []verify.Expectation

	// secretEndpoints keeps the endpoints of exporters out of the Collector's
	// configuration.
	secretEndpoints bool
}

// New reads a stack as [Open] does, with the working directory as its root.
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
	rules := append(validate(project, settings, secret), validateDestinations(project, names, settings, secret)...)
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
	subnet, err := settings.Network.subnetOf(names)
	if err != nil {
		return Stack{}, fmt.Errorf("network: %w", err)
	}
	return Stack{
		Project: project, Names: names, Settings: settings, Release: release, Subnet: subnet, Expectations: expectations,
		secretEndpoints: secret.has("collector"),
	}, nil
}

// readExpectations reads a file with trace-based tests, if there is one.
func readExpectations(root, file string) ([]verify.Expectation, error) {
	if file == "" {
		return nil, nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(root, file)
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		// Without the path: it is another on every machine.
		return nil, errors.New("must be a file; relative paths are below the project's root")
	}
	if err != nil {
		return nil, fmt.Errorf("must be readable: %w", err)
	}
	return verify.ReadExpectations(text)
}

// BaseImage is the k3s image that the node image is built on.
func (s Stack) BaseImage() string {
	if s.Settings.Cluster.Image != "" {
		return s.Settings.Cluster.Image
	}
	return s.Release.Image
}

// ClusterSpec is what decides the cluster's files, for nodes of a given image.
func (s Stack) ClusterSpec(nodeImage string) tracing.ClusterSpec {
	return tracing.ClusterSpec{
		Name:         s.Names.Cluster,
		Release:      s.Release,
		Runtime:      s.Runtime(),
		NodeImage:    nodeImage,
		Servers:      s.Settings.Cluster.Servers,
		Agents:       s.Settings.Cluster.Agents,
		Network:      s.Names.Network(),
		Subnet:       s.Subnet,
		Receiver:     s.receiver(),
		ConfigVolume: s.Names.Volume(),
		APIPort:      s.Settings.Cluster.APIPort,
		OwnerLabel:   OwnerLabel + "=" + s.Names.Owner,
		Sampling:     tracing.Sampling(s.Settings.Sampling),
	}
}

// Runtime is what runs the containers.
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

// Architectures are those (as amd64) that the stack's official bundles are
// published for; nil if it takes none.
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

// Notes say in whole sentences what the stack's choices leave out, so that nobody
// waits for spans that cannot come.
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

// receiver is the network alias of what the nodes export their spans to.
func (s Stack) receiver() string {
	if s.Settings.Collector.Enabled {
		return tracing.CollectorAlias
	}
	return tracing.JaegerAlias
}

// JaegerSpec is what decides Jaeger's configuration.
func (s Stack) JaegerSpec() tracing.JaegerSpec {
	jaeger := s.Settings.Jaeger
	spec := tracing.JaegerSpec{Storage: jaeger.Storage, Retention: jaeger.Retention.String(), MaxTraces: jaeger.MaxTraces}
	if jaeger.Server != nil {
		spec.Server = s.server()
	}
	return spec
}

// server is how Jaeger finds the OpenSearch or Elasticsearch.
func (s Stack) server() *tracing.JaegerServer {
	storage, server := s.Settings.Jaeger.Storage, s.Settings.Jaeger.Server
	if s.Settings.OwnServer() {
		return &tracing.JaegerServer{
			URL: storage.OwnURL(), Username: storage.Superuser(), IndexPrefix: s.Names.Cluster, SingleNode: true,
		}
	}
	return &tracing.JaegerServer{
		URL: server.URL, Username: server.Username, CA: server.CA, IndexPrefix: s.Names.Cluster,
	}
}

// ServerPassword is the password for the OpenSearch or Elasticsearch; empty where
// there is none.
func (s Stack) ServerPassword() string {
	if server := s.Settings.Jaeger.Server; server != nil {
		return string(server.Password)
	}
	return ""
}

// CollectorSpec is what decides the Collector's configuration.
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

// CollectorSecrets are the environment variables from which the Collector takes
// what must not stand in its configuration, in the clear.
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
