package updatetrace

import (
	"regexp"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Pulumi's spans hold whole messages between its processes, with every secret that a
// resource has, the authors of the checkout's newest commit, and paths. So nothing
// passes but what is listed here, by its name and by its form: ids, times, whether it
// failed, and the names and attributes below. An error's words do not pass.

// services are the names of the processes that send spans. Each is a literal in
// Pulumi's or a plugin's source; another becomes otherService.
var services = regexp.MustCompile(`^(pulumi-(cli|language-go|language-host|sdk-go|resource-provider)|opentracing-plugin|command|docker|kubernetes)$`)

const otherService = "pulumi-plugin"

// noise are the names of spans that nobody looks for, two of three in an update: lines of
// the log, and reads and writes of the state's files.
var noise = regexp.MustCompile(`^(/?pulumirpc\.Engine/Log|gocloud\.dev/blob\..*)$`)

// names are the families of the spans' names: methods between Pulumi's processes and of
// the bridge to Terraform's providers, and steps of the CLI. Another becomes otherName.
//
// Sources: spans of Pulumi 3.259.0 with the docker provider 4.11.2, the command provider
// 1.2.1 and the kubernetes provider 4.30.0.
var names = regexp.MustCompile(`^(/?pulumirpc\.[A-Z][A-Za-z]*/[A-Z][A-Za-z0-9]*|sdkv2\.[A-Za-z]+|` +
	`(stack|diyBackend)\.[A-Za-z0-9]+|pulumi|pulumi-plan|run-program|newPlugin|execGo|go-list-modules|testConnection|time-to-first-print)$`)

const otherName = "other"

// attributes are the attributes that pass, each with the form of its values.
var attributes = map[string]*regexp.Regexp{
	"rpc.system":           regexp.MustCompile(`^grpc$`),
	"rpc.service":          regexp.MustCompile(`^pulumirpc\.[A-Z][A-Za-z]*$`),
	"rpc.method":           regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`),
	"rpc.grpc.status_code": regexp.MustCompile(`^[0-9]{1,2}$`),
	"response_code":        regexp.MustCompile(`^[A-Z][A-Za-z]*$`),
	"operation":            regexp.MustCompile(`^[a-z]+$`),
	"kind":                 regexp.MustCompile(`^(resource|language)$`),
	// A plugin, as "docker (resource)".
	"prefix":         regexp.MustCompile(`^[a-z0-9-]+( \((resource|language)\))?$`),
	"version":        version,
	"pulumi.version": version,
	attributeURN:     urn,
}

var version = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+(-[A-Za-z0-9.]+)?$`)

// Attributes of the resource that a span is about.
const (
	attributeURN  = "urn"
	attributeType = "type"
	// attributeMessage is the message in which the resource is named.
	//
	// Source: github.com/grpc-ecosystem/grpc-opentracing go/otgrpc (LogPayloads), as
	// sdk/go/common/util/otelreceiver/appdash_bridge.go passes it on.
	attributeMessage = "Msg"
)

// urn is the form of a URN: stack, project, types and name. None of them has a space, a
// quote or a slash other than a type's.
var urn = regexp.MustCompile(`^urn:pulumi:[A-Za-z0-9_.-]+::[A-Za-z0-9_.-]+::[A-Za-z0-9_.:/$-]+::[A-Za-z0-9_.-]+$`)

// requestURN finds the URN that a request begins with.
//
// Source: pulumi/pulumi proto/pulumi/provider.proto (CheckRequest, CreateRequest: urn is
// the first field; DiffRequest, UpdateRequest, DeleteRequest: it follows the id).
var requestURN = regexp.MustCompile(`^\{"gRPC request":"(?:id:\\"[^"\\]*\\"\s+)?urn:\\"(urn:pulumi:[^"\\]+)\\"`)

// Filter returns what may be sent of Pulumi's spans in a trace, which is named by its id
// in hexadecimal digits.
func Filter(traces ptrace.Traces, trace string) ptrace.Traces {
	filtered := ptrace.NewTraces()
	for _, resource := range traces.ResourceSpans().All() {
		kept := filtered.ResourceSpans().AppendEmpty()
		kept.Resource().Attributes().PutStr("service.name", serviceOf(resource.Resource()))
		spans := kept.ScopeSpans().AppendEmpty().Spans()
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				if span.TraceID().String() == trace && !noise.MatchString(span.Name()) {
					filterSpan(span, spans.AppendEmpty())
				}
			}
		}
	}
	return filtered
}

func serviceOf(resource pcommon.Resource) string {
	name, _ := resource.Attributes().Get("service.name")
	if service := name.AsString(); services.MatchString(service) {
		return service
	}
	return otherService
}

func filterSpan(span, kept ptrace.Span) {
	kept.SetTraceID(span.TraceID())
	kept.SetSpanID(span.SpanID())
	kept.SetParentSpanID(span.ParentSpanID())
	kept.SetKind(span.Kind())
	kept.SetStartTimestamp(span.StartTimestamp())
	kept.SetEndTimestamp(span.EndTimestamp())
	kept.Status().SetCode(span.Status().Code())
	name := span.Name()
	if !names.MatchString(name) {
		name = otherName
	}
	for key, form := range attributes {
		if value, found := span.Attributes().Get(key); found && form.MatchString(value.AsString()) {
			kept.Attributes().PutStr(key, value.AsString())
		}
	}
	if message, found := span.Attributes().Get(attributeMessage); found {
		if match := requestURN.FindStringSubmatch(message.AsString()); match != nil && urn.MatchString(match[1]) {
			kept.Attributes().PutStr(attributeURN, match[1])
		}
	}
	if value, found := kept.Attributes().Get(attributeURN); found {
		parts := strings.Split(value.AsString(), "::")
		kept.Attributes().PutStr(attributeType, parts[2][strings.LastIndex(parts[2], "$")+1:])
		// What a reader looks for: Create traced-cluster-k3d.
		name = name[strings.LastIndexAny(name, "/.")+1:] + " " + parts[3]
	}
	kept.SetName(name)
}
