package pipeline_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // what exporters send
	"google.golang.org/grpc/metadata"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/pipeline/load"
	"github.com/kubetracing/kubetracing/test/pipeline/rig"
)

// destination is a third party's OTLP receiver, with TLS.
type destination struct {
	collector.UnimplementedTraceServiceServer
	headers chan metadata.MD
}

func (d *destination) Export(ctx context.Context, _ *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	headers, _ := metadata.FromIncomingContext(ctx)
	select {
	case d.headers <- headers:
	default:
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// newDestination starts a destination and returns its address and certificate.
func newDestination(t *testing.T) (d *destination, address, ca string) {
	t.Helper()
	// For its certificate, which is good for 127.0.0.1.
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	t.Cleanup(web.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"},
	})))
	d = &destination{headers: make(chan metadata.MD, 1)}
	collector.RegisterTraceServiceServer(server, d)
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	return d, listener.Addr().String(), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}))
}

// A header's value comes from the environment unchanged, whatever YAML would make of
// it, and is in no file and in no log.
func TestExtraDestination_Headers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	values := map[string]string{
		"authorization": "Bearer hunter2", "x-number": "0123", "x-object": "{a: hunter2}", "x-mapping": "key: hunter2",
		"x-quoted": `"hunter2"`, "x-list": "[hunter2]", "x-comment": "hunter2 # more",
	}
	receiver, address, ca := newDestination(t)
	exporter := tracing.OTLPExporter{Name: "vendor", Protocol: "grpc", Endpoint: address, CA: ca}
	var environment []string
	for header, value := range values {
		exporter.Headers = append(exporter.Headers, header)
		environment = append(environment, exporter.HeaderVariable(header)+"="+value)
	}
	folder := t.TempDir()
	pipeline, err := rig.New(rig.Spec{
		Folder:               folder,
		Jaeger:               tracing.JaegerSpec{Storage: tracing.StorageMemory, MaxTraces: 1000},
		Collector:            tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax, Exporters: []tracing.OTLPExporter{exporter}},
		CollectorEnvironment: environment,
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, pipeline.Kill()) })
	require.NoError(t, pipeline.Start(ctx))
	sender := &load.Sender{
		Address: pipeline.Collector.OTLPGRPC, Shape: load.Shape{Run: 1, Spans: 1, Start: time.Now()},
		Requests: 1, Traces: 1, Workers: 1, Retry: true,
	}
	_, err = sender.Send(ctx)
	require.NoError(t, err)
	select {
	case headers := <-receiver.headers:
		for header, value := range values {
			assert.Equal(t, []string{value}, headers.Get(header), header)
		}
	case <-ctx.Done():
		log, _ := os.ReadFile(pipeline.Collector.LogPath())
		t.Fatalf("nothing arrived:\n%s", log)
	}
	assertNoFileContains(t, folder, "hunter2")
}
