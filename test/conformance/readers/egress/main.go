// Command egress lets kube-apiserver's own options set up tracing beside an egress
// selector, as k3s does, and sends one span. It reads the selector's configuration
// on standard input; empty is no selector. It ends as kube-apiserver would: with a
// panic where the release calls a dialer that the selector does not have.
//
//	egress tracing.yaml < egress-selector.yaml
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/egressselector"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/feature"
)

// dialed is long enough for gRPC, which dials beside its caller, to have tried.
const dialed = 3 * time.Second

func main() {
	if err := trace(os.Args[1], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func trace(tracingFile string, in io.Reader) error {
	if err := feature.DefaultMutableFeatureGate.Set("APIServerTracing=true"); err != nil {
		return err
	}
	selector, err := readSelector(in)
	if err != nil {
		return err
	}
	config := &server.Config{}
	if err := (&options.TracingOptions{ConfigFile: tracingFile}).ApplyTo(selector, config); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialed)
	defer cancel()
	_, span := config.TracerProvider.Tracer("egress").Start(ctx, "probe")
	span.End()
	<-ctx.Done()
	return nil
}

func readSelector(in io.Reader) (*egressselector.EgressSelector, error) {
	data, err := io.ReadAll(in)
	if err != nil || len(data) == 0 {
		return nil, err
	}
	scheme := runtime.NewScheme()
	install.Install(scheme)
	config := &apiserver.EgressSelectorConfiguration{}
	codecs := serializer.NewCodecFactory(scheme)
	if err := runtime.DecodeInto(codecs.UniversalDecoder(), data, config); err != nil {
		return nil, err
	}
	return egressselector.NewEgressSelector(config)
}
