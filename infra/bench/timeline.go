package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/perf/benchfmt"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/kubernetes"
	"github.com/kubetracing/kubetracing/infra/timeline"
	"github.com/kubetracing/kubetracing/infra/timeline/gather"
	"github.com/kubetracing/kubetracing/test/processes"
)

// busyPods is how many pods the traces are of.
const busyPods = 2000

// tracesPerPost bounds a request with traces.
const tracesPerPost = 1000

// timelines measures the timeline of one pod in a Jaeger with many traces.
func timelines(flags *flag.FlagSet) func(*results) error {
	var runs, traces int
	countVar(flags, &runs, "runs", 10, "counted runs")
	countVar(flags, &traces, "traces", 100_000, "traces in Jaeger")
	return func(measured *results) (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
		defer cancel()
		folder, err := os.MkdirTemp("", "kubetracing-bench-")
		if err != nil {
			return fmt.Errorf("create Jaeger's folder: %w", err)
		}
		defer os.RemoveAll(folder)
		config, err := tracing.RenderJaeger(tracing.JaegerSpec{Storage: tracing.StorageMemory, MaxTraces: 2 * traces})
		if err != nil {
			return err
		}
		jaeger, err := processes.NewJaeger(processes.Options{Folder: folder, Config: config, Environment: []string{tracing.JaegerQuiet}})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, jaeger.Kill()) }()
		if err := jaeger.Start(ctx); err != nil {
			return err
		}
		if err := fill(ctx, "http://"+jaeger.OTLPHTTP, traces); err != nil {
			return err
		}
		api := httptest.NewServer(http.HandlerFunc(servePod))
		defer api.Close()
		sources := gather.Sources{
			Cluster: &kubernetes.Client{BaseURL: api.URL, HTTP: api.Client()}, Jaeger: verify.Client{BaseURL: jaeger.QueryURL},
			Rates:    timeline.Rates{Known: true, APIServer: tracing.SamplingRateMax, Kubelet: tracing.SamplingRateMax, Collector: tracing.SamplingRateMax},
			Runtimes: []string{tracing.ServiceContainerd}, Lookback: time.Hour, Now: time.Now,
		}
		// One uncounted run warms the caches.
		for i := range runs + 1 {
			started := time.Now()
			found, err := sources.Timeline(ctx, gather.Target{Kind: "pod", Namespace: benchNamespace, Name: benchPod})
			took := time.Since(started)
			if err != nil {
				return err
			}
			if got := len(found.TraceIDs()); got == 0 {
				return errors.New("the timeline has no trace: does this Jaeger search by attributes (2.19 or newer)?")
			}
			if i == 0 {
				continue
			}
			if err := measured.add(name("Timeline", "traces", traces), seconds(took), benchfmt.Value{Value: float64(len(found.TraceIDs())), Unit: "traces/timeline"}); err != nil {
				return err
			}
		}
		return nil
	}
}

// The pod that is measured is one of the busy ones.
const (
	benchNamespace = "n7"
	benchPod       = "p7"
)

// servePod answers as kube-apiserver does for a pod that exists since some minutes.
func servePod(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/pods/"+benchPod):
		created := time.Now().Add(-9 * time.Minute).UTC().Format(time.RFC3339)
		fmt.Fprintf(w, `{"metadata":{"name":%q,"namespace":%q,"uid":"u7","creationTimestamp":%q},"spec":{"nodeName":"node"},`+
			`"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":%q}]}}`,
			benchPod, benchNamespace, created, created)
	case strings.HasSuffix(r.URL.Path, "/events"):
		_, _ = io.WriteString(w, `{"items":[]}`)
	default:
		http.NotFound(w, r)
	}
}

// fill sends traces like those of a busy cluster: of three, two are writes of a pod's
// status, and one is the kubelet's look at a pod.
func fill(ctx context.Context, url string, count int) error {
	fmt.Fprintf(os.Stderr, "bench: sending %d traces\n", count)
	// The newest ones are as old as the pod that is measured, so that all are searched.
	start := time.Now().Add(-8 * time.Minute)
	for first := 0; first < count; first += tracesPerPost {
		traces := ptrace.NewTraces()
		services := map[string]ptrace.SpanSlice{}
		for _, service := range []string{tracing.ServiceAPIServer, "etcd", tracing.ServiceKubelet, tracing.ServiceContainerd} {
			resource := traces.ResourceSpans().AppendEmpty()
			resource.Resource().Attributes().PutStr("service.name", service)
			resource.Resource().Attributes().PutStr("k8s.node.name", "node")
			services[service] = resource.ScopeSpans().AppendEmpty().Spans()
		}
		for i := first; i < min(first+tracesPerPost, count); i++ {
			addTrace(services, i, start.Add(time.Duration(i)*time.Millisecond))
		}
		body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
		if err != nil {
			return fmt.Errorf("encode traces: %w", err)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/traces", bytes.NewReader(body))
		if err != nil {
			return fmt.Errorf("send traces: %w", err)
		}
		request.Header.Set("Content-Type", "application/x-protobuf")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return fmt.Errorf("send traces: %w", err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("send traces: %s", response.Status)
		}
	}
	return nil
}

// addTrace adds the trace of a number.
func addTrace(services map[string]ptrace.SpanSlice, number int, start time.Time) {
	var trace pcommon.TraceID
	_, _ = rand.Read(trace[:]) // never fails
	add := func(service, operation string, parent pcommon.SpanID, attributes map[string]string) pcommon.SpanID {
		var id pcommon.SpanID
		_, _ = rand.Read(id[:])
		span := services[service].AppendEmpty()
		span.SetTraceID(trace)
		span.SetSpanID(id)
		span.SetParentSpanID(parent)
		span.SetName(operation)
		span.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
		span.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(2 * time.Millisecond)))
		for key, value := range attributes {
			span.Attributes().PutStr(key, value)
		}
		return id
	}
	pod := number % busyPods
	namespace, podName := fmt.Sprintf("n%d", pod%50), fmt.Sprintf("p%d", pod)
	if number%3 == 0 {
		sync := add(tracing.ServiceKubelet, "syncPod", pcommon.SpanID{}, map[string]string{
			"k8s.pod": namespace + "/" + podName, "k8s.pod.uid": fmt.Sprintf("u%d", pod), "k8s.pod.update_type": "sync",
		})
		call := add(tracing.ServiceKubelet, "runtime.v1.RuntimeService/PodSandboxStatus", sync, nil)
		add(tracing.ServiceContainerd, "runtime.v1.RuntimeService/PodSandboxStatus", call, nil)
		return
	}
	root := add(tracing.ServiceAPIServer, "PATCH /api/v1/namespaces/{:namespace}/pods/{:name}/status", pcommon.SpanID{}, map[string]string{
		"http.target":         "/api/v1/namespaces/" + namespace + "/pods/" + podName + "/status",
		"http.request.method": http.MethodPatch, "http.response.status_code": "200", "audit-id": fmt.Sprint(number),
		"user_agent.original": "k3s/v1.36.3+k3s1 (linux/amd64) kubernetes/2a1e2e8",
	})
	update := add(tracing.ServiceAPIServer, "GuaranteedUpdate etcd3", root, map[string]string{"key": "/pods/" + namespace + "/" + podName})
	transaction := add(tracing.ServiceAPIServer, "etcdserverpb.KV/Txn", update, nil)
	add("etcd", "etcdserverpb.KV/Txn", transaction, nil)
}
