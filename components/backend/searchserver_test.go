package backend_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/backend"
	"github.com/kubetracing/kubetracing/components/internal/enginetest"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
)

const testPassword = "Tr4ces!!"

// searchServerArgs returns a small server.
func searchServerArgs(storage tracing.JaegerStorage) backend.SearchServerArgs {
	return backend.SearchServerArgs{
		Program: enginetest.Program, Storage: storage, ContainerName: "traced-server", Image: "registry.test/search:3", Password: testPassword,
		HeapMiB: 768, NetworkName: pulumi.String("traced"), Owner: enginetest.Owner(),
	}
}

func recordSearchServer(t *testing.T, storage tracing.JaegerStorage) *enginetest.Recorder {
	t.Helper()
	return enginetest.Record(t, func(ctx *pulumi.Context) error {
		_, err := backend.NewSearchServer(ctx, "server", searchServerArgs(storage))
		return err
	})
}

func TestSearchServer_Container(t *testing.T) {
	t.Parallel()
	tests := map[tracing.JaegerStorage]struct {
		environment     []any
		health, uploads string
		data            string
	}{
		tracing.StorageOpenSearch: {
			environment: []any{
				"discovery.type=single-node", "http.host=0.0.0.0", "transport.host=127.0.0.1", "node.store.allow_mmap=false",
				"cluster.routing.allocation.disk.watermark.low=2gb", "cluster.routing.allocation.disk.watermark.high=1gb",
				"cluster.routing.allocation.disk.watermark.flood_stage=512mb",
				"OPENSEARCH_JAVA_OPTS=-Xms768m -Xmx768m",
				"plugins.security.ssl.http.enabled=false", "plugins.security.audit.type=noop",
				"DISABLE_PERFORMANCE_ANALYZER_AGENT_CLI=true", "OPENSEARCH_INITIAL_ADMIN_PASSWORD=" + testPassword,
			},
			health: `printf 'user = "admin:%s"' "$OPENSEARCH_INITIAL_ADMIN_PASSWORD" | curl --silent --fail --output /dev/null --write-out '%{http_code}' --config - ` +
				`'http://127.0.0.1:9200/_cluster/health?wait_for_status=yellow&timeout=1s'`,
			uploads: "/usr/share/opensearch/config/opensearch-security/roles_mapping.yml",
			data:    "/usr/share/opensearch/data",
		},
		tracing.StorageElasticsearch: {
			environment: []any{
				"discovery.type=single-node", "http.host=0.0.0.0", "transport.host=127.0.0.1", "node.store.allow_mmap=false",
				"cluster.routing.allocation.disk.watermark.low=2gb", "cluster.routing.allocation.disk.watermark.high=1gb",
				"cluster.routing.allocation.disk.watermark.flood_stage=512mb",
				"ES_JAVA_OPTS=-Xms768m -Xmx768m",
				"xpack.security.enabled=true", "xpack.security.http.ssl.enabled=false", "xpack.security.transport.ssl.enabled=false",
				"xpack.ml.enabled=false", "ingest.geoip.downloader.enabled=false", "ELASTIC_PASSWORD=" + testPassword,
			},
			health: `printf 'user = "elastic:%s"' "$ELASTIC_PASSWORD" | curl --silent --fail --output /dev/null --write-out '%{http_code}' --config - ` +
				`'http://127.0.0.1:9200/_cluster/health?wait_for_status=yellow&timeout=1s'`,
			data: "/usr/share/elasticsearch/data",
		},
	}
	for storage, test := range tests {
		t.Run(string(storage), func(t *testing.T) {
			t.Parallel()
			recorded := recordSearchServer(t, storage)
			container := recorded.One(t, enginetest.Container, "server-container")
			inputs := container.Plain()
			if test.uploads != "" {
				uploads, ok := inputs["uploads"].([]any)
				require.True(t, ok)
				require.Len(t, uploads, 1)
				assert.Equal(t, test.uploads, uploads[0].(map[string]any)["file"])
			}
			delete(inputs, "uploads")
			delete(inputs, "volumes") // assertDataVolume knows them
			delete(inputs, "envs")
			assert.Equal(t, map[string]any{
				"name": "traced-server", "image": "registry.test/search:3", "restart": "unless-stopped", "labels": enginetest.Labels(),
				"memory": 1536.0, "networkMode": "bridge", "destroyGraceSeconds": 30.0,
				"networksAdvanced": []any{map[string]any{"name": "traced", "aliases": []any{string(storage)}}},
				"healthcheck": map[string]any{
					"tests": []any{"CMD-SHELL", test.health}, "interval": "2s", "timeout": "10s", "retries": 300.0,
				},
			}, inputs, "no port is published")
			var environment []any
			for _, variable := range container.Inputs["envs"].ArrayValue() {
				if variable.IsSecret() {
					variable = variable.SecretValue().Element
				}
				environment = append(environment, variable.StringValue())
			}
			assert.Equal(t, test.environment, environment)
			assertDataVolume(t, recorded, "server", "SearchServer", test.data, spec.Volume{User: "1000"})
			container.AssertChildOf(t, "SearchServer", "server")
			assert.True(t, container.RegisterRPC.GetDeleteBeforeReplace(), "its name and data are one")
			assert.Equal(t, []string{"memorySwap"}, container.RegisterRPC.GetIgnoreChanges(), "Docker's own")
			assert.Equal(t, map[string]any{"image": "registry.test/search:3", "heapMiB": 768.0},
				recorded.Component(t, "SearchServer", "server").Plain(), "what a preview shows")
		})
	}
}

func TestSearchServer_OtherStorage(t *testing.T) {
	t.Parallel()
	recorded := &enginetest.Recorder{}
	err := recorded.Run(func(ctx *pulumi.Context) error {
		_, err := backend.NewSearchServer(ctx, "server", searchServerArgs(tracing.StorageBadger))
		return err
	})
	require.ErrorContains(t, err, `search server "server": storage "badger" is not a search server`)
	assert.Empty(t, recorded.Names(enginetest.Container))
}

// assertOnlyInEnvironment asserts that the password is a secret in the environment of
// a container, and nowhere else.
func assertOnlyInEnvironment(t *testing.T, recorded *enginetest.Recorder, container string) {
	t.Helper()
	assert.True(t, recorded.One(t, enginetest.Container, container).Inputs["envs"].ContainsSecrets())
	for _, args := range recorded.All() {
		for key, value := range args.Inputs {
			if key == "envs" {
				for _, variable := range value.ArrayValue() {
					assert.False(t, variable.IsString() && strings.Contains(variable.StringValue(), testPassword), "in the clear")
				}
				continue
			}
			assert.NotContains(t, fmt.Sprint(value), testPassword, "%s of %s", key, args.Name)
		}
	}
}

func TestSearchServer_Password(t *testing.T) {
	t.Parallel()
	for _, storage := range []tracing.JaegerStorage{tracing.StorageOpenSearch, tracing.StorageElasticsearch} {
		assertOnlyInEnvironment(t, recordSearchServer(t, storage), "server-container")
	}
	assertOnlyInEnvironment(t, recordIndexCleaner(t, searchedBy("admin", "http://opensearch:9200", "")), "index-cleaner-container")

	p := newProgram()
	p.password = testPassword
	p.jaeger = tracing.JaegerSpec{Storage: tracing.StorageOpenSearch, Retention: "48h0m0s", Server: searchedBy("admin", "http://opensearch:9200", "")}
	recorded := p.record(t)
	assertOnlyInEnvironment(t, recorded, "jaeger-container")
	container := recorded.One(t, enginetest.Container, "jaeger-container")
	assert.Contains(t, fmt.Sprint(container.Inputs["envs"]), "JAEGER_STORAGE_PASSWORD="+testPassword)
	assert.Contains(t, fmt.Sprint(container.Inputs["uploads"]), "${env:JAEGER_STORAGE_PASSWORD}")
	assert.Equal(t, []string{"server-volume"}, recorded.Names(enginetest.Volume), "the traces are elsewhere")
	assert.Equal(t, map[string]any{
		"image": jaegerImage, "uiPort": 16686.0, "storage": "opensearch", "retention": "48h0m0s", "server": "http://opensearch:9200",
	}, recorded.Component(t, "Jaeger", "jaeger").Plain(), "what a preview shows")
}

// searchedBy is a server as Jaeger and the cleaner find it.
func searchedBy(username, url, ca string) *tracing.JaegerServer {
	return &tracing.JaegerServer{URL: url, Username: username, CA: ca, IndexPrefix: "traced"}
}

func indexCleanerArgs(server *tracing.JaegerServer, storage pulumi.Resource) backend.IndexCleanerArgs {
	return backend.IndexCleanerArgs{
		ContainerName: "traced-cleaner", Image: "registry.test/cleaner:2", Server: *server, Password: testPassword,
		RetentionDays: 3, Storage: storage, NetworkName: pulumi.String("traced"), Owner: enginetest.Owner(),
	}
}

func recordIndexCleaner(t *testing.T, server *tracing.JaegerServer) *enginetest.Recorder {
	t.Helper()
	return enginetest.Record(t, func(ctx *pulumi.Context) error {
		_, err := backend.NewIndexCleaner(ctx, "index-cleaner", indexCleanerArgs(server, nil))
		return err
	})
}

func TestIndexCleaner_Container(t *testing.T) {
	t.Parallel()
	ca := []any{map[string]any{"file": "/etc/cleaner/ca.pem", "content": "the authority", "permissions": "0644"}}
	tests := map[string]struct {
		server      *tracing.JaegerServer
		environment []string
		uploads     any
	}{
		"with a user": {
			searchedBy("admin", "http://opensearch:9200", ""),
			[]string{"DAYS=4", "INDEX_PREFIX=traced", "SERVER_URL=http://opensearch:9200", "ES_USERNAME=admin", "ES_PASSWORD=" + testPassword},
			nil,
		},
		"without one": {
			searchedBy("", "http://search.test", ""), []string{"DAYS=4", "INDEX_PREFIX=traced", "SERVER_URL=http://search.test"}, nil,
		},
		"with TLS": {
			searchedBy("", "https://search.test", ""),
			[]string{"DAYS=4", "INDEX_PREFIX=traced", "SERVER_URL=https://search.test", "ES_TLS_ENABLED=true"},
			nil,
		},
		"with an authority": {
			searchedBy("", "https://search.test", "the authority"),
			[]string{
				"DAYS=4", "INDEX_PREFIX=traced", "SERVER_URL=https://search.test", "ES_TLS_ENABLED=true", "ES_TLS_CA=/etc/cleaner/ca.pem",
			},
			ca,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorded := recordIndexCleaner(t, test.server)
			container := recorded.One(t, enginetest.Container, "index-cleaner-container")
			var environment []string
			for _, variable := range container.Inputs["envs"].ArrayValue() {
				if variable.IsSecret() {
					variable = variable.SecretValue().Element
				}
				environment = append(environment, variable.StringValue())
			}
			assert.Equal(t, test.environment, environment)
			assert.Equal(t, test.uploads, container.Input("uploads"))
			assert.Equal(t, true, container.Input("init"))
			assert.Equal(t, "unless-stopped", container.Input("restart"))
			assert.Equal(t, enginetest.Labels(), container.Input("labels"))
			assert.Nil(t, container.Input("ports"))
			container.AssertChildOf(t, "IndexCleaner", "index-cleaner")
			assert.Equal(t, map[string]any{
				"image": "registry.test/cleaner:2", "retentionDays": 3.0, "server": test.server.URL,
			}, recorded.Component(t, "IndexCleaner", "index-cleaner").Plain(), "what a preview shows")
		})
	}
}

func TestIndexCleaner_Script(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("scripts/index-cleaner.sh")
	require.NoError(t, err)
	for name, test := range map[string]struct{ cleaner, want string }{
		"it deletes every hour": {"exit 0", "sleep 3600\nsleep 3600\n"},
		"a server that is away": {"exit 1", "sleep 60\nsleep 60\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enginetest.EveryShell(t, func(t *testing.T, shell *enginetest.Shell) {
				shell.Tool(t, "cleaner", test.cleaner)
				// The second pause ends the script. Some shells have sleep built in.
				text := "n=0\nsleep() { echo \"sleep $*\"; n=$((n + 1)); [ $n -lt 2 ] || exit 0; }\n" +
					strings.ReplaceAll(string(script), "/go/bin/es-index-cleaner-linux", "cleaner")
				done := shell.Run(t, text, map[string]string{"DAYS": "4", "SERVER_URL": "http://search"})
				assert.Zero(t, done.Code, done.Stderr)
				assert.Equal(t, test.want, done.Stdout)
				assert.Equal(t, []string{"cleaner 4 http://search", "cleaner 4 http://search"}, shell.Calls(t))
			})
		})
	}
}
