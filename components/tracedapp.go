package components

import (
	_ "embed"
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	discoveryv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/discovery/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// TracedApp is the name of the traced-app workload, of its service and of the
// service's pod.
const TracedApp = "traced-app"

// tracedAppClient is the client's pod, and its service name in traces.
const tracedAppClient = TracedApp + "-client"

// tracedAppPort is where the service listens.
const tracedAppPort = 8080

// tracedAppRequests is how often the client asks, each time in a trace of its own.
const tracedAppRequests = 3

var (
	//go:embed scripts/traced-app-lib.sh
	tracedAppLibrary string
	//go:embed scripts/traced-app-service.sh
	tracedAppService string
	//go:embed scripts/traced-app-client.sh
	tracedAppClientScript string
)

// newTracedApp is a service and a client that send spans of their own from inside
// the cluster, through a Service that points at the Collector outside. They are
// shell scripts in the image that the other workloads use, so that nothing else
// has to be pulled and every runtime can run them; what they speak is what every
// instrumented program speaks: W3C trace context and OTLP over HTTP.
func newTracedApp(ctx *pulumi.Context, w workload) (pulumi.CustomResource, error) {
	collector, err := w.serviceOutside(ctx)
	if err != nil {
		return nil, err
	}
	scripts, err := corev1.NewConfigMap(ctx, w.name+"-scripts", &corev1.ConfigMapArgs{
		Metadata: w.metadata(TracedApp, nil),
		Data: pulumi.StringMap{
			"lib.sh": pulumi.String(tracedAppLibrary), "service.sh": pulumi.String(tracedAppService),
			"client.sh": pulumi.String(tracedAppClientScript),
		},
	}, w.opts...)
	if err != nil {
		return nil, fmt.Errorf("scripts: %w", err)
	}
	labels := pulumi.StringMap{"app": pulumi.String(TracedApp)}
	service, err := corev1.NewService(ctx, w.name+"-service", &corev1.ServiceArgs{
		Metadata: w.metadata(TracedApp, unawaited),
		Spec: corev1.ServiceSpecArgs{
			Selector: labels,
			Ports:    corev1.ServicePortArray{corev1.ServicePortArgs{Port: pulumi.Int(tracedAppPort)}},
		},
	}, w.opts...)
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	server := w.metadata(TracedApp, nil)
	server.Labels = labels
	pod, err := corev1.NewPod(ctx, w.name+"-server", w.scripted(server, TracedApp, "service.sh", "Always"), w.with(
		// A pod knows only the services that were there before it.
		pulumi.DependsOn([]pulumi.Resource{w.args.Cluster.Lifecycle, collector, scripts, service}), podTimeout)...)
	if err != nil {
		return nil, fmt.Errorf("pod %q: %w", TracedApp, err)
	}
	client, err := corev1.NewPod(ctx, w.name, w.scripted(
		w.metadata(tracedAppClient, nil), tracedAppClient, "client.sh", "OnFailure",
	), w.with(
		pulumi.DependsOn([]pulumi.Resource{w.args.Cluster.Lifecycle, pod}), podTimeout)...)
	if err != nil {
		return nil, fmt.Errorf("pod %q: %w", tracedAppClient, err)
	}
	return client, nil
}

// serviceOutside makes the Collector, which no selector finds, a Service: an
// EndpointSlice has its address, which outlives the container.
//
// Source: https://kubernetes.io/docs/concepts/services-networking/service/
// (Services without selectors).
func (w workload) serviceOutside(ctx *pulumi.Context) (pulumi.Resource, error) {
	const port = "otlp-http"
	service, err := corev1.NewService(ctx, w.name+"-collector", &corev1.ServiceArgs{
		Metadata: w.metadata(tracing.CollectorAlias, unawaited),
		Spec: corev1.ServiceSpecArgs{Ports: corev1.ServicePortArray{corev1.ServicePortArgs{
			Name: pulumi.String(port), Port: pulumi.Int(tracing.OTLPHTTPPort),
		}}},
	}, w.opts...)
	if err != nil {
		return nil, fmt.Errorf("service of the Collector: %w", err)
	}
	slice, err := discoveryv1.NewEndpointSlice(ctx, w.name+"-collector", &discoveryv1.EndpointSliceArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(tracing.CollectorAlias), Namespace: w.namespace.Metadata.Name(),
			Labels: pulumi.StringMap{"kubernetes.io/service-name": service.Metadata.Name().Elem()},
		},
		AddressType: pulumi.String("IPv4"),
		Endpoints: discoveryv1.EndpointArray{discoveryv1.EndpointArgs{
			Addresses: pulumi.StringArray{w.args.OTLPAddress},
		}},
		Ports: discoveryv1.EndpointPortArray{discoveryv1.EndpointPortArgs{
			Name: pulumi.String(port), Port: pulumi.Int(tracing.OTLPHTTPPort), Protocol: pulumi.String("TCP"),
		}},
	}, w.opts...)
	if err != nil {
		return nil, fmt.Errorf("address of the Collector: %w", err)
	}
	return slice, nil
}

// scripted is a pod that runs one of the scripts.
func (w workload) scripted(metadata metav1.ObjectMetaArgs, name, script, restart string) *corev1.PodArgs {
	const volume = "scripts"
	return &corev1.PodArgs{
		Metadata: metadata,
		Spec: corev1.PodSpecArgs{
			RestartPolicy:                 pulumi.String(restart),
			AutomountServiceAccountToken:  pulumi.Bool(false),
			TerminationGracePeriodSeconds: pulumi.Int(1),
			Volumes: corev1.VolumeArray{corev1.VolumeArgs{
				Name: pulumi.String(volume), ConfigMap: corev1.ConfigMapVolumeSourceArgs{Name: pulumi.String(TracedApp)},
			}},
			Containers: corev1.ContainerArray{corev1.ContainerArgs{
				Name: pulumi.String(name), Image: pulumi.String(echoImage),
				Command:      stringArray([]string{"sh", "/scripts/" + script}),
				VolumeMounts: corev1.VolumeMountArray{corev1.VolumeMountArgs{Name: pulumi.String(volume), MountPath: pulumi.String("/scripts")}},
				Env: corev1.EnvVarArray{
					// Kubernetes fills in the addresses of services, so no DNS server has to
					// run yet.
					environment("OTEL_EXPORTER_OTLP_ENDPOINT", fmt.Sprintf("http://$(OTEL_COLLECTOR_SERVICE_HOST):%d", tracing.OTLPHTTPPort)),
					environment("OTEL_SERVICE_NAME", name),
					environment("TRACED_APP_URL", fmt.Sprintf("http://$(TRACED_APP_SERVICE_HOST):%d", tracedAppPort)),
					environment("REQUESTS", fmt.Sprint(tracedAppRequests)),
					environment("PORT", fmt.Sprint(tracedAppPort)),
				},
			}},
		},
	}
}

func environment(name, value string) corev1.EnvVarArgs {
	return corev1.EnvVarArgs{Name: pulumi.String(name), Value: pulumi.String(value)}
}
