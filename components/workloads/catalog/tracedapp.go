package catalog

import (
	_ "embed"
	"fmt"

	"github.com/kubetracing/kubetracing/components/internal/manifest"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

// TracedApp is the name of the workload traced-app, of its service and of the
// service's pod.
const TracedApp = "traced-app"

// tracedAppClient is the client's pod, and its service name in traces.
const tracedAppClient = TracedApp + "-client"

// tracedAppPort is where the service listens.
const tracedAppPort = 8080

// tracedAppRequests is how many requests the client sends, each in a trace of its own.
const tracedAppRequests = 3

// spansFile is the name of spansLibrary beside the scripts.
const spansFile = "spans.sh"

var (
	// spansLibrary is what every workload with spans of its own reads first.
	//
	//go:embed scripts/spans.sh
	spansLibrary string
	//go:embed scripts/traced-app-service.sh
	tracedAppService string
	//go:embed scripts/traced-app-client.sh
	tracedAppClientScript string
)

// tracedApp is a service and a client that send spans of their own from inside the
// cluster, through a Service that points at the Collector outside. They are shell
// scripts in the image that the other workloads use, so nothing else has to be pulled
// and every runtime can run them; they speak what every instrumented program speaks:
// W3C trace context and OTLP over HTTP.
var tracedApp = Workload{
	Name:    TracedApp,
	Summary: "a service and a client with spans of their own",
	Runs: func(target Target) []Run {
		service, slice := collectorService(target.OTLPAddress)
		scripts := Resource{Suffix: "-scripts", Object: manifest.Object{
			APIVersion: "v1", Kind: "ConfigMap", Name: TracedApp,
			Fields: manifest.Map{"data": manifest.Map{
				spansFile: spansLibrary, "service.sh": tracedAppService, "client.sh": tracedAppClientScript,
			}},
		}}
		labels := map[string]string{"app": TracedApp}
		app := Resource{Suffix: "-service", Object: manifest.Object{
			APIVersion: "v1", Kind: "Service", Name: TracedApp, Annotations: skipAwait(),
			Fields: manifest.Map{"spec": manifest.Map{
				"selector": manifest.Map{"app": TracedApp},
				"ports":    manifest.List{manifest.Map{"port": tracedAppPort}},
			}},
		}}
		server := scripted(TracedApp, "service.sh", "Always")
		server.Suffix, server.Labels = "-server", labels
		// A pod knows only the services that existed before it.
		server.After = []string{slice.ID(), scripts.ID(), app.ID()}
		client := scripted(tracedAppClient, "client.sh", "OnFailure")
		client.After = []string{server.ID()}
		return single(TracedApp, service, slice, scripts, app, server, client)
	},
	// Neither pod asks Kubernetes or depends on its sampling rates.
	Expectations: func(target Target) []verify.Expectation {
		if target.CollectorRate < tracing.SamplingRateMax {
			return nil
		}
		return []verify.Expectation{{
			Name: TracedApp, Traces: tracedAppRequests, NoErrors: true,
			// A request of the client, answered by the service, in one trace.
			Spans: []verify.SpanMatch{
				{Service: tracedAppClient, Operation: "GET /hello"},
				{Service: TracedApp, Operation: "GET /hello"},
			},
			Hint: target.kubectl("logs " + tracedAppClient),
		}}
	},
}

// collectorService returns a Service for the Collector, which no selector finds: an
// EndpointSlice has its address, which outlives the container.
//
// Source: https://kubernetes.io/docs/concepts/services-networking/service/
// (Services without selectors).
func collectorService(address string) (service, slice Resource) {
	const port, suffix = "otlp-http", "-collector"
	service = Resource{Suffix: suffix, Object: manifest.Object{
		APIVersion: "v1", Kind: "Service", Name: tracing.CollectorAlias, Annotations: skipAwait(),
		Fields: manifest.Map{"spec": manifest.Map{
			"ports": manifest.List{manifest.Map{"name": port, "port": tracing.OTLPHTTPPort}},
		}},
	}}
	slice = Resource{Suffix: suffix, After: []string{service.ID()}, Object: manifest.Object{
		APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice", Name: tracing.CollectorAlias,
		Labels: map[string]string{"kubernetes.io/service-name": tracing.CollectorAlias},
		Fields: manifest.Map{
			"addressType": "IPv4",
			"endpoints":   manifest.List{manifest.Map{"addresses": manifest.List{address}}},
			"ports":       manifest.List{manifest.Map{"name": port, "port": tracing.OTLPHTTPPort, "protocol": "TCP"}},
		},
	}}
	return service, slice
}

// scripted returns a pod that runs one of the scripts.
func scripted(name, script, restart string) Resource {
	const volume = "scripts"
	pod := pod(name, restart, manifest.Map{
		"image":        image,
		"command":      manifest.List{"sh", "/scripts/" + script},
		"volumeMounts": manifest.List{manifest.Map{"name": volume, "mountPath": "/scripts"}},
		"env": manifest.List{
			// Kubernetes fills in the addresses of services, so no DNS server has to
			// run yet.
			variable("OTEL_EXPORTER_OTLP_ENDPOINT", fmt.Sprintf("http://$(OTEL_COLLECTOR_SERVICE_HOST):%d", tracing.OTLPHTTPPort)),
			variable("OTEL_SERVICE_NAME", name),
			variable("TRACED_APP_URL", fmt.Sprintf("http://$(TRACED_APP_SERVICE_HOST):%d", tracedAppPort)),
			variable("REQUESTS", fmt.Sprint(tracedAppRequests)),
			variable("PORT", fmt.Sprint(tracedAppPort)),
		},
	})
	spec := pod.Fields["spec"].(manifest.Map)
	spec["terminationGracePeriodSeconds"] = 1
	spec["volumes"] = manifest.List{manifest.Map{"name": volume, "configMap": manifest.Map{"name": TracedApp}}}
	return pod
}

// variable returns an environment variable of a container.
func variable(name, value string) manifest.Map { return manifest.Map{"name": name, "value": value} }
