package engine_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/kubetracing/kubetracing/stacks"
)

func TestStack_SideBySide(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	configs := map[string]map[string]string{
		"one": {"kubetracing:collector": `{"otlpGrpcPort":14317}`},
		"two": {
			"kubetracing:cluster":   `{"apiPort":6551}`,
			"kubetracing:jaeger":    `{"uiPort":26686}`,
			"kubetracing:collector": `{"otlpGrpcPort":24317}`,
		},
	}
	opened := map[string]*stack{}
	for name, config := range configs {
		opened[name] = h.stack(t, name, config)
		opened[name].mustUp(t)
	}
	names, ports := map[string]string{}, map[float64]string{}
	for _, e := range h.journal.drain() {
		text, err := protojson.Marshal(e.inputs)
		require.NoError(t, err)
		for other := range configs {
			if other != e.stack {
				assert.NotContains(t, string(text), "kubetracing-"+other, "%s of %s", e.resource, e.stack)
				assert.NotContains(t, string(text), "kubetracing/"+other, "%s of %s", e.resource, e.stack)
			}
		}
		for _, name := range dockerNames(e) {
			assert.Contains(t, []string{"", e.stack}, names[name], "two stacks have a %s", name)
			assert.True(t, strings.HasPrefix(name, "kubetracing-"+e.stack), "%s of %s", name, e.stack)
			names[name] = e.stack
		}
		for _, port := range e.inputs.GetFields()["ports"].GetListValue().GetValues() {
			number := port.GetStructValue().GetFields()["external"].GetNumberValue()
			assert.Empty(t, ports[number], "port %v is published twice", number)
			ports[number] = e.stack
		}
	}
	assert.Len(t, names, 10, "a network, a volume, two containers and a node image each")

	// The preflight checks exactly the published ports.
	checked := map[float64]string{}
	for name, config := range configs {
		settings, err := stacks.New("kubetracing", name, config)
		require.NoError(t, err)
		for _, port := range settings.Settings.Ports() {
			if port.Key != "cluster.apiPort" { // k3d's, not a container of ours
				checked[float64(port.Number)] = name
			}
		}
	}
	assert.Equal(t, checked, ports)

	require.NoError(t, opened["one"].destroy(t).err)
	for _, e := range h.journal.drain() {
		assert.Equal(t, "one", e.stack, e.String())
	}
	preview := opened["two"].preview(t)
	require.NoError(t, preview.err)
	assert.Empty(t, preview.changes)
}

// dockerNames returns the names in Docker that a resource uses.
func dockerNames(e entry) []string {
	field := func(name string) []string {
		if value, ok := e.inputs.GetFields()[name].GetKind().(*structpb.Value_StringValue); ok {
			return []string{value.StringValue}
		}
		return nil
	}
	switch e.token {
	case "docker:index/container:Container", "docker:index/network:Network", "docker:index/volume:Volume":
		return field("name")
	case "docker:index/image:Image":
		return field("imageName")
	default:
		return nil
	}
}
