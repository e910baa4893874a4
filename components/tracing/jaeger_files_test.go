package tracing_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// jaegerFiles renders the files of Jaeger's container, by their paths.
func jaegerFiles(t *testing.T, version string) map[string]string {
	t.Helper()
	rendered, err := tracing.RenderJaegerFiles(tracing.JaegerSpec{Version: version, Storage: tracing.StorageMemory})
	require.NoError(t, err)
	files := map[string]string{}
	for _, file := range rendered {
		files[file.Path] = file.Content
	}
	require.Len(t, files, len(rendered), "every path once")
	return files
}

func TestRenderJaeger_MCPByVersion(t *testing.T) {
	t.Parallel()

	enabled := map[string]any{"agent_url": "", "enable_mcp": true}
	withPlaybooks := map[string]any{"agent_url": "", "mcp": map[string]any{"skills_dir": "/etc/jaeger/playbooks"}}
	for version, want := range map[string]any{
		"": nil, "latest": nil, "2.0.0": nil, "2.19.0": nil,
		"2.20.0": enabled, "2.20.3": enabled, "2.21.0-rc1": enabled,
		"2.21.0": withPlaybooks, "2.22.1": withPlaybooks, "3.0.0": withPlaybooks,
	} {
		files := jaegerFiles(t, version)
		query := decoded(t, files[tracing.JaegerConfigPath])["extensions"].(map[string]any)["jaeger_query"].(map[string]any)
		assert.Equal(t, want, query["ai"], version)
		_, served := files[tracing.JaegerPlaybooksDirectory+"/SKILL.md"]
		assert.Equal(t, assert.ObjectsAreEqual(want, withPlaybooks), served, version)
	}
}

// Every file that the configuration names is there.
func TestRenderJaegerFiles_Named(t *testing.T) {
	t.Parallel()

	files := jaegerFiles(t, "2.21.0")
	query := decoded(t, files["/etc/jaeger/config.yaml"])["extensions"].(map[string]any)["jaeger_query"].(map[string]any)
	assert.Contains(t, files, query["ui"].(map[string]any)["config_file"])
	directory := query["ai"].(map[string]any)["mcp"].(map[string]any)["skills_dir"].(string)
	assert.Contains(t, files, directory+"/SKILL.md")
}

// A program reads the index first, and then only what the index links to, by a path
// below custom/.
func TestRenderJaegerFiles_PlaybooksAreLinked(t *testing.T) {
	t.Parallel()

	files := jaegerFiles(t, "2.21.0")
	var linked, present []string
	for _, match := range regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(files[tracing.JaegerPlaybooksDirectory+"/SKILL.md"], -1) {
		linked = append(linked, match[1])
	}
	for path, content := range files {
		name, playbook := strings.CutPrefix(path, tracing.JaegerPlaybooksDirectory+"/")
		if !playbook || name == "SKILL.md" {
			continue
		}
		present = append(present, "custom/"+name)
		assert.Regexp(t, `(?s)\A---\nname: `+strings.TrimSuffix(name, "/SKILL.md")+`\n.*\n---\n`, content)
	}
	assert.ElementsMatch(t, linked, present)
	assert.Len(t, present, 3)
}

// supplant fills in the parameters of a link as the UI does.
//
// Source: jaegertracing/jaeger-ui packages/jaeger-ui/src/utils/stringSupplant.ts.
func supplant(template string, values map[string]string) string {
	return regexp.MustCompile(`#\{([^{}]*)\}`).ReplaceAllStringFunc(template, func(parameter string) string {
		return url.QueryEscape(values[parameter[2:len(parameter)-1]])
	})
}

func TestRenderJaegerFiles_Links(t *testing.T) {
	t.Parallel()

	var ui struct {
		LinkPatterns []struct{ Type, Key, URL, Text string }
	}
	require.NoError(t, json.Unmarshal([]byte(jaegerFiles(t, "")[tracing.JaegerUIConfigPath]), &ui))
	values := map[string]string{
		"k8s.pod": "kubetracing/echo", "k8s.pod.name": "echo", "k8s.namespace.name": "kubetracing", "k8s.pod.uid": "4f0e",
		"audit-id": "f3c1", "host.name": "k3d-traced-server-0",
	}
	type search struct{ from, service, tags string }
	var got []search
	for _, link := range ui.LinkPatterns {
		address, err := url.Parse(supplant(link.URL, values))
		require.NoError(t, err)
		assert.Equal(t, "/search", address.Path)
		assert.NotEmpty(t, link.Text)
		query := address.Query()
		got = append(got, search{link.Type + " " + link.Key, query.Get("service"), query.Get("tags")})
		assert.True(t, json.Valid([]byte(query.Get("tags"))), query.Get("tags"))
	}
	assert.Equal(t, []search{
		{"tags k8s.pod", "kubelet", `{"k8s.pod":"kubetracing/echo"}`},
		{"tags k8s.pod", "apiserver", `{"http.target":"/api/v1/namespaces/kubetracing/pods/echo/binding"}`},
		{"tags k8s.pod", "apiserver", `{"http.target":"/api/v1/namespaces/kubetracing/pods/echo/status"}`},
		{"tags k8s.pod", "timeline", `{"k8s.pod":"kubetracing/echo"}`},
		{"tags k8s.pod.uid", "kubelet", `{"k8s.pod.uid":"4f0e"}`},
		{"tags audit-id", "apiserver", `{"audit-id":"f3c1"}`},
		{"process host.name", "kubelet", `{"host.name":"k3d-traced-server-0"}`},
	}, got)
}
