package stacks

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/distribution/reference"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// image checks the form of an image reference.
func (v *validator) image(key, image string) {
	_, err := reference.ParseNormalizedNamed(image)
	switch {
	case err == nil:
	case hasCredentials(image):
		v.hide(key, "must be an image reference without user and password: Docker has those of `docker login`")
	case v.isSecret(key):
		v.hide(key, "must be an image reference")
	default:
		v.reject(key, image, "must be an image reference: "+err.Error())
	}
}

// imageVersions refuses images that do not understand what is rendered for them, as
// far as their names and tags tell.
func (v *validator) imageVersions(s Settings) {
	v.k3sImage(s)
	v.jaegerImage(s.Jaeger.Image)
	if server := s.Jaeger.Server; server != nil && server.Image != "" {
		v.serverImage(s.Jaeger.Storage, server.Image)
	}
	if s.Collector.Enabled && s.Collector.Image != "" {
		v.collectorImage(s)
	}
}

// nameAndTag returns the last part of an image's name, which a mirror keeps, and its
// tag; both are empty for what is no image reference.
func nameAndTag(image string) (name, tag string) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", ""
	}
	if tagged, ok := named.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	return path.Base(reference.Path(named)), tag
}

// k3sTag is how k3s' images are tagged, perhaps with an architecture behind it.
//
// Source: https://hub.docker.com/r/rancher/k3s/tags.
var k3sTag = regexp.MustCompile(`^v?\d+\.\d+\.\d+-k3s\d+`)

func (v *validator) k3sImage(s Settings) {
	_, tag := nameAndTag(s.Cluster.Image)
	version := k3sTag.FindString(tag)
	rendered, err := tracing.ResolveRelease(s.Cluster.Kubernetes)
	if version == "" || err != nil {
		return
	}
	release, err := tracing.ResolveRelease(version)
	if err == nil && release.Minor == rendered.Minor && release.Rules == rendered.Rules {
		return
	}
	version = strings.Replace(version, "-k3s", "+k3s", 1)
	rule := fmt.Sprintf("has k3s %s, but %s:cluster.kubernetes is %s", version, v.project, s.Cluster.Kubernetes)
	if err == nil {
		rule += fmt.Sprintf(": set it to %q", version)
	} else {
		rule += ": choose an image of that release"
	}
	v.reject("cluster.image", s.Cluster.Image, rule)
}

// jaegerV1Images are the images of Jaeger v1, which has no configuration file of the
// OpenTelemetry Collector's kind.
//
// Source: https://www.jaegertracing.io/docs/1.76/deployment/.
var jaegerV1Images = []string{
	"all-in-one", "jaeger-all-in-one", "opentelemetry-all-in-one",
	"jaeger-collector", "jaeger-query", "jaeger-agent", "jaeger-ingester",
}

// jaegerName is the last part of the name of Jaeger's image.
const jaegerName = "jaeger"

// jaegerVersion returns the release of an image of Jaeger, as its name and tag tell;
// empty if they do not.
func jaegerVersion(image string) string {
	name, tag := nameAndTag(image)
	version, err := semver.NewVersion(tag)
	if name != jaegerName || err != nil {
		return ""
	}
	return version.String()
}

func (v *validator) jaegerImage(image string) {
	name, tag := nameAndTag(image)
	version, err := semver.NewVersion(tag)
	if slices.Contains(jaegerV1Images, name) || (name == jaegerName && err == nil && version.Major() < 2) {
		v.reject("jaeger.image", image, "is Jaeger v1, which does not read the configuration: must be a jaegertracing/jaeger 2.x")
	}
}

// writesSynchronously reports whether the Jaeger of an image can write to a search
// server before it acknowledges. An image whose name and tag do not tell is taken to
// be as new as the default one.
func writesSynchronously(image string) bool {
	name, tag := nameAndTag(image)
	version, err := semver.NewVersion(tag)
	return name != "jaeger" || err != nil || !version.LessThan(semver.MustParse(tracing.JaegerSynchronousWrites))
}

func (v *validator) serverImage(storage tracing.JaegerStorage, image string) {
	name, _ := nameAndTag(image)
	for _, other := range []tracing.JaegerStorage{tracing.StorageOpenSearch, tracing.StorageElasticsearch} {
		if storage.IsServer() && other != storage && name == string(other) {
			v.reject("jaeger.server.image", image, fmt.Sprintf("is %s, but %s:jaeger.storage is %s", other, v.project, storage))
		}
	}
}

// Official distributions of the Collector, by their images' names: a mirror keeps
// them, a custom distribution has another.
//
// Source: open-telemetry/opentelemetry-collector-releases distributions/*/manifest.yaml.
const (
	coreDistribution = "opentelemetry-collector"
	// otlpDistribution has neither processors nor extensions, profilerDistribution no
	// pipeline for traces.
	otlpDistribution     = "opentelemetry-collector-otlp"
	profilerDistribution = "opentelemetry-collector-ebpf-profiler"
)

var collectorDistributions = []string{
	coreDistribution, coreDistribution + "-contrib", coreDistribution + "-k8s", otlpDistribution, profilerDistribution,
}

// Releases of the Collector that the configuration needs.
var (
	// From 0.144.0 on, the OTLP exporters are named otlp_grpc and otlp_http.
	//
	// Sources: open-telemetry/opentelemetry-collector#14403 and #14397, released with
	// v0.144.0.
	collectorExporterNames = semver.MustParse("0.144.0")
	// From 0.146.0 on, the filter processor knows trace_conditions.
	//
	// Sources: open-telemetry/opentelemetry-collector-contrib#44543;
	// processor/filterprocessor/README.md (which releases know the form).
	collectorTraceConditions = semver.MustParse("0.146.0")
)

func (v *validator) collectorImage(s Settings) {
	const key = "collector.image"
	image := s.Collector.Image
	name, tag := nameAndTag(image)
	switch {
	case !slices.Contains(collectorDistributions, name):
		return
	case name == otlpDistribution, name == profilerDistribution:
		v.reject(key, image, "must be a core or contrib distribution: this one lacks memory_limiter and health_check")
	case name == coreDistribution && s.needsContrib():
		v.reject(key, image, "must be a contrib distribution: the core one has neither queues on disk nor tail sampling")
	}
	version, err := semver.NewVersion(tag)
	switch {
	case err != nil:
	case version.LessThan(collectorExporterNames):
		v.reject(key, image, fmt.Sprintf("must be %s or newer: earlier releases do not know the exporters otlp_grpc and otlp_http",
			collectorExporterNames))
	case version.LessThan(collectorTraceConditions) && v.filtersConmonRs(s):
		v.reject(key, image, fmt.Sprintf("must be %s or newer with conmon-rs: earlier releases cannot drop the spans of its exporter",
			collectorTraceConditions))
	}
}

// filtersConmonRs reports whether the Collector drops spans of conmon-rs. It must be
// called after the rules for the runtime.
func (v *validator) filtersConmonRs(s Settings) bool {
	release, err := tracing.ResolveRelease(s.Cluster.Kubernetes)
	invalid := slices.ContainsFunc(v.problems, func(p Problem) bool { return strings.HasPrefix(p.Field, v.project+":runtime") })
	return err == nil && !invalid && Stack{Settings: s, Release: release}.Runtime().ConmonRs().SendsSpans()
}
