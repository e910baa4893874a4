package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/processes"
)

// runningJaeger is a Jaeger with every file that is rendered for its release.
type runningJaeger struct {
	*processes.JaegerProcess
	spec tracing.JaegerSpec
	// files are the rendered files, by their paths in the container.
	files map[string]string
}

// newJaeger prepares a Jaeger whose files are in a temporary folder; change edits them
// first.
func newJaeger(t *testing.T, change func(files map[string]string)) runningJaeger {
	t.Helper()
	spec := tracing.JaegerSpec{Version: jaegerVersion(t), Storage: tracing.StorageMemory, MaxTraces: 1000}
	rendered, err := tracing.RenderJaegerFiles(spec)
	require.NoError(t, err)
	files := map[string]string{}
	for _, file := range rendered {
		files[file.Path] = file.Content
	}
	change(files)
	folder := t.TempDir()
	for path, content := range files {
		path = filepath.Join(folder, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	overrides := map[string]string{"extensions::jaeger_query::ui::config_file": filepath.Join(folder, tracing.JaegerUIConfigPath)}
	if strings.Contains(files[tracing.JaegerConfigPath], tracing.JaegerPlaybooksDirectory) {
		overrides["extensions::jaeger_query::ai::mcp::skills_dir"] = filepath.Join(folder, tracing.JaegerPlaybooksDirectory)
	}
	jaeger, err := processes.NewJaeger(processes.Options{
		Folder: folder, Config: files[tracing.JaegerConfigPath], Overrides: overrides,
		Environment: []string{tracing.JaegerQuiet},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, jaeger.Kill()) })
	return runningJaeger{jaeger, spec, files}
}

// jaegerVersion returns the release of the Jaeger that runs: of the binary that
// processes.JaegerVariable names, or of the one that is built.
func jaegerVersion(t *testing.T) string {
	t.Helper()
	binary := os.Getenv(processes.JaegerVariable)
	if binary == "" {
		return processes.Jaeger.Version
	}
	output, err := exec.CommandContext(t.Context(), binary, "version").Output()
	require.NoError(t, err)
	var version struct{ GitVersion string }
	require.NoError(t, json.NewDecoder(bytes.NewReader(output)).Decode(&version))
	return version.GitVersion
}

func startTime(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestJaeger_ServesUIConfig(t *testing.T) {
	jaeger := newJaeger(t, func(map[string]string) {})
	require.NoError(t, jaeger.Start(startTime(t)))
	response, err := http.Get(jaeger.QueryURL + "/search")
	require.NoError(t, err)
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "JAEGER_CONFIG = ")
	require.True(t, found, "%s", page)
	config, _, _ := strings.Cut(rest, ";\n")
	assert.JSONEq(t, jaeger.files[tracing.JaegerUIConfigPath], config)
}

func TestJaeger_RefusesFiles(t *testing.T) {
	type test struct {
		change func(files map[string]string)
		reason string
	}
	tests := map[string]test{
		"a configuration of the UI that is not JSON": {
			func(files map[string]string) { files[tracing.JaegerUIConfigPath] = "linkPatterns: []" }, "cannot parse UI config file",
		},
		"no configuration of the UI": {
			func(files map[string]string) { delete(files, tracing.JaegerUIConfigPath) }, "cannot read UI config file",
		},
	}
	index := tracing.JaegerPlaybooksDirectory + "/SKILL.md"
	if _, served := newJaeger(t, func(map[string]string) {}).files[index]; served {
		tests["no index of the playbooks"] = test{func(files map[string]string) { delete(files, index) }, "cannot read SKILL.md"}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			jaeger := newJaeger(t, test.change)
			require.Error(t, jaeger.Start(startTime(t)))
			log, err := os.ReadFile(jaeger.LogPath())
			require.NoError(t, err)
			assert.Contains(t, string(log), test.reason)
		})
	}
}

// The MCP server is that of a Jaeger newer than the one that can be built from modules.
func TestJaeger_ServesMCP(t *testing.T) {
	jaeger := newJaeger(t, func(map[string]string) {})
	require.NoError(t, jaeger.Start(startTime(t)))
	client := mcpClient{url: jaeger.QueryURL + "/api/ai/mcp/"}
	if !strings.Contains(jaeger.files[tracing.JaegerConfigPath], "agent_url") {
		t.Skipf("Jaeger %s has no MCP server on the port of its UI; %s names a newer one", jaeger.spec.Version, processes.JaegerVariable)
	}
	client.initialize(t)
	for _, tool := range []string{
		"get_services", "search_traces", "get_critical_path", "get_trace_topology", "get_trace_errors", "get_span_details", "read_skill",
	} {
		assert.Contains(t, client.call(t, "tools/list", map[string]any{}), `"name":"`+tool+`"`)
	}
	read := client.call(t, "tools/call", map[string]any{"name": "read_skill", "arguments": map[string]any{"path": "custom/SKILL.md"}})
	index, served := jaeger.files[tracing.JaegerPlaybooksDirectory+"/SKILL.md"]
	if !served {
		assert.Contains(t, read, `"isError":true`)
		return
	}
	title, _, _ := strings.Cut(index, "\n")
	assert.Contains(t, read, title)
}

// mcpClient speaks the Model Context Protocol over HTTP.
//
// Source: https://modelcontextprotocol.io/specification/2025-06-18/basic/transports.
type mcpClient struct {
	url, session string
}

func (c *mcpClient) initialize(t *testing.T) {
	t.Helper()
	c.call(t, "initialize", map[string]any{
		"protocolVersion": "2025-06-18", "capabilities": map[string]any{},
		"clientInfo": map[string]any{"name": "conformance", "version": "1"},
	})
	c.post(t, map[string]any{"jsonrpc": "2.0", "method": "notifications/initialized"})
}

// call returns the JSON message that answers a request.
func (c *mcpClient) call(t *testing.T, method string, parameters map[string]any) string {
	t.Helper()
	return c.post(t, map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
}

func (c *mcpClient) post(t *testing.T, message map[string]any) string {
	t.Helper()
	body, err := json.Marshal(message)
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(startTime(t), http.MethodPost, c.url, bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	if c.session != "" {
		request.Header.Set("Mcp-Session-Id", c.session)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Less(t, response.StatusCode, 300, response.Status)
	if session := response.Header.Get("Mcp-Session-Id"); session != "" {
		c.session = session
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if data, found := strings.CutPrefix(lines.Text(), "data: "); found {
			return data
		}
	}
	require.NoError(t, lines.Err())
	return ""
}
