package tracing

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Attributes that the UI links from.
//
// Sources: k8s.io/kubernetes pkg/kubelet/kubelet.go (SyncPod), pkg/kubelet/kubelet.go
// (newTracerProvider, host.name), k8s.io/apiserver pkg/endpoints/filters/traces.go.
const (
	attributePod       = "k8s.pod"
	attributePodName   = "k8s.pod.name"
	attributePodUID    = "k8s.pod.uid"
	attributeNamespace = "k8s.namespace.name"
	attributeHost      = "host.name"
	attributeAuditID   = "audit-id"
	attributeTarget    = "http.target"
)

// ServiceTimeline is the service name of timelines, which `kubetracing timeline --send`
// writes. A pod's has attributePod.
const ServiceTimeline = "timeline"

// jaegerUI is the configuration of Jaeger's UI.
//
// Source: jaegertracing/jaeger-ui packages/jaeger-ui/src/types/config.ts.
type jaegerUI struct {
	LinkPatterns []jaegerLink `json:"linkPatterns"`
}

// jaegerLink makes a link of an attribute's value. Type says where the attribute is:
// tags are a span's own attributes, process those of its resource; every Jaeger 2
// knows these names, and newer ones also attributes and resource. In URL and Text,
// #{key} stands for the value of an attribute of the same span; in URL it is escaped.
//
// Source: jaegertracing/jaeger-ui packages/jaeger-ui/src/model/link-patterns.ts.
type jaegerLink struct {
	Type string `json:"type"`
	Key  string `json:"key"`
	URL  string `json:"url"`
	Text string `json:"text"`
}

// renderJaegerUI renders the configuration of Jaeger's UI: links from a span to the
// traces that belong to the same pod, request or node but not to the same trace.
func renderJaegerUI() (string, error) {
	podPath := "/api/v1/namespaces/" + parameter(attributeNamespace) + "/pods/" + parameter(attributePodName)
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(jaegerUI{LinkPatterns: []jaegerLink{
		{
			"tags", attributePod, searchPath(ServiceKubelet, attributePod, parameter(attributePod)),
			"What the kubelet did for pod " + parameter(attributePod),
		},
		{
			"tags", attributePod, searchPath(ServiceAPIServer, attributeTarget, podPath+"/binding"),
			"The scheduler's binding of pod " + parameter(attributePod),
		},
		{
			"tags", attributePod, searchPath(ServiceAPIServer, attributeTarget, podPath+"/status"),
			"Updates of the status of pod " + parameter(attributePod),
		},
		{
			"tags", attributePod, searchPath(ServiceTimeline, attributePod, parameter(attributePod)),
			"The timelines of pod " + parameter(attributePod),
		},
		{
			"tags", attributePodUID, searchPath(ServiceKubelet, attributePodUID, parameter(attributePodUID)),
			"What the kubelet did for this incarnation of the pod",
		},
		{
			"tags", attributeAuditID, searchPath(ServiceAPIServer, attributeAuditID, parameter(attributeAuditID)),
			"The request with audit ID " + parameter(attributeAuditID),
		},
		{
			"process", attributeHost, searchPath(ServiceKubelet, attributeHost, parameter(attributeHost)),
			"What the kubelet of " + parameter(attributeHost) + " did",
		},
	}})
	if err != nil {
		return "", fmt.Errorf("encode the configuration of Jaeger's UI: %w", err)
	}
	return text.String(), nil
}

// parameter is replaced by the UI with the value of an attribute.
func parameter(key string) string { return "#{" + key + "}" }

// searchPath returns the page of Jaeger's UI with the traces in which a service has a
// span with an attribute. The value may have parameters.
//
// Source: jaegertracing/jaeger-ui packages/jaeger-ui/src/components/SearchTracePage/url.ts.
func searchPath(service, key, value string) string {
	return "/search?service=" + service +
		"&tags=" + url.QueryEscape(`{"`+key+`":"`) + value + url.QueryEscape(`"}`) +
		"&lookback=2d&limit=20"
}
