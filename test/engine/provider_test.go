package engine_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// provider is a resource provider that creates nothing. It answers the engine as
// the real one does, and records what the engine asks of it.
type provider struct {
	pulumirpc.UnimplementedResourceProviderServer

	kinds   map[string]kind
	journal *journal
}

// serve starts the provider and returns its port on the loopback interface.
func (p *provider) serve(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	pulumirpc.RegisterResourceProviderServer(server, p)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-served)
	})
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

func (p *provider) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (p *provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	// Newer than whatever the SDKs ask for.
	return &pulumirpc.PluginInfo{Version: "999.0.0"}, nil
}

func (p *provider) CheckConfig(_ context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: request.GetNews()}, nil
}

// DiffConfig is that of the Kubernetes provider: whatever else changes, another
// clusterIdentifier is another cluster and the same one is the same.
//
// Source: pulumi-kubernetes provider/pkg/provider/provider.go (DiffConfig).
func (p *provider) DiffConfig(_ context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return diff(request, func(input string) bool { return input == "clusterIdentifier" }), nil
}

// Configure accepts secrets and supports previews, as the three real providers do.
func (p *provider) Configure(_ context.Context, request *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	p.journal.configure(request.GetArgs())
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, SupportsPreview: true}, nil
}

func (p *provider) Check(_ context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	if _, ok := p.kinds[request.GetType()]; !ok {
		return nil, fmt.Errorf("kinds_test.go does not define what a change of a %s does", request.GetType())
	}
	return &pulumirpc.CheckResponse{Inputs: request.GetNews()}, nil
}

func (p *provider) Diff(_ context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return diff(request, p.kinds[request.GetType()].replacedBy), nil
}

func (p *provider) Create(_ context.Context, request *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	if request.GetPreview() {
		return &pulumirpc.CreateResponse{Properties: p.previewProperties(request.GetType(), request.GetProperties())}, nil
	}
	number, err := p.journal.record("create", request.GetUrn(), request.GetProperties())
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CreateResponse{
		Id:         fmt.Sprintf("%s-%d", request.GetName(), number),
		Properties: p.properties(request.GetType(), request.GetName(), number, request.GetProperties()),
	}, nil
}

func (p *provider) Update(_ context.Context, request *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	if request.GetPreview() {
		return &pulumirpc.UpdateResponse{Properties: p.previewProperties(request.GetType(), request.GetNews())}, nil
	}
	number, err := p.journal.record("update", request.GetUrn(), request.GetNews())
	if err != nil {
		return nil, err
	}
	return &pulumirpc.UpdateResponse{
		Properties: p.properties(request.GetType(), request.GetName(), number, request.GetNews()),
	}, nil
}

func (p *provider) Delete(_ context.Context, request *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	_, err := p.journal.record("delete", request.GetUrn(), request.GetProperties())
	return &emptypb.Empty{}, err
}

// Read returns the state unchanged.
func (p *provider) Read(_ context.Context, request *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	return &pulumirpc.ReadResponse{Id: request.GetId(), Inputs: request.GetInputs(), Properties: request.GetProperties()}, nil
}

// properties returns a resource's properties once it exists.
func (p *provider) properties(token, name string, number int, inputs *structpb.Struct) *structpb.Struct {
	properties := proto.CloneOf(inputs)
	if outputs := p.kinds[token].outputs; outputs != nil {
		for key, value := range outputs(name, number) {
			properties.Fields[key] = structpb.NewStringValue(value)
		}
	}
	return properties
}

// previewProperties returns a resource's properties while its outputs are unknown.
func (p *provider) previewProperties(token string, inputs *structpb.Struct) *structpb.Struct {
	properties := proto.CloneOf(inputs)
	if outputs := p.kinds[token].outputs; outputs != nil {
		for key := range outputs("", 0) {
			properties.Fields[key] = structpb.NewStringValue(plugin.UnknownStringValue)
		}
	}
	return properties
}

// diff compares a resource's inputs.
func diff(request *pulumirpc.DiffRequest, replacedBy func(input string) bool) *pulumirpc.DiffResponse {
	olds, news := request.GetOldInputs().GetFields(), request.GetNews().GetFields()
	changes := map[string]*pulumirpc.PropertyDiff{}
	record := func(input string, kind, replacing pulumirpc.PropertyDiff_Kind) {
		if replacedBy(input) {
			kind = replacing
		}
		changes[input] = &pulumirpc.PropertyDiff{Kind: kind, InputDiff: true}
	}
	for input, value := range news {
		old, present := olds[input]
		switch {
		case !present:
			record(input, pulumirpc.PropertyDiff_ADD, pulumirpc.PropertyDiff_ADD_REPLACE)
		case !proto.Equal(old, value):
			record(input, pulumirpc.PropertyDiff_UPDATE, pulumirpc.PropertyDiff_UPDATE_REPLACE)
		}
	}
	for input := range olds {
		if _, present := news[input]; !present {
			record(input, pulumirpc.PropertyDiff_DELETE, pulumirpc.PropertyDiff_DELETE_REPLACE)
		}
	}
	response := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_NONE, DetailedDiff: changes, HasDetailedDiff: true,
	}
	for input := range changes {
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		response.Diffs = append(response.Diffs, input)
		if replacedBy(input) {
			response.Replaces = append(response.Replaces, input)
		}
	}
	return response
}
