package backend

import (
	_ "embed"
	"fmt"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/tracing"
)

// searchServerKind is what differs between OpenSearch and Elasticsearch, which are
// otherwise configured alike.
type searchServerKind struct {
	// name is what people call it.
	name string
	// data is where the container keeps its data.
	data string
	// passwordVariable is the environment variable with the superuser's password.
	passwordVariable string
	// heapVariable is the one with the options of the JVM.
	heapVariable string
	// variables are further ones.
	variables []string
	uploads   docker.ContainerUploadArray
}

// openSearchRolesMapping leaves a role to nobody but the superuser.
//
//go:embed searchserver/roles_mapping.yml
var openSearchRolesMapping string

var searchServerKinds = map[tracing.JaegerStorage]searchServerKind{
	// Sources: github.com/opensearch-project/opensearch-build
	// docker/release/config/opensearch/opensearch-docker-entrypoint-default.x.sh (a
	// variable with a dot in its name is a setting);
	// https://docs.opensearch.org/latest/security/configuration/demo-configuration/.
	tracing.StorageOpenSearch: {
		name:             "OpenSearch",
		data:             "/usr/share/opensearch/data",
		passwordVariable: "OPENSEARCH_INITIAL_ADMIN_PASSWORD",
		heapVariable:     "OPENSEARCH_JAVA_OPTS",
		variables: []string{
			// The image generates its certificates with published private keys, so TLS with
			// them would keep nobody out. Without TLS there is no login by certificate either,
			// which those keys would allow.
			"plugins.security.ssl.http.enabled=false",
			// Would write an index a day that nobody deletes.
			"plugins.security.audit.type=noop",
			"DISABLE_PERFORMANCE_ANALYZER_AGENT_CLI=true",
		},
		uploads: resources.Upload("/usr/share/opensearch/config/opensearch-security/roles_mapping.yml", openSearchRolesMapping),
	},
	// Sources: github.com/elastic/elasticsearch
	// distribution/docker/src/docker/bin/docker-entrypoint.sh;
	// https://www.elastic.co/guide/en/elasticsearch/reference/8.17/security-settings.html.
	tracing.StorageElasticsearch: {
		name:             "Elasticsearch",
		data:             "/usr/share/elasticsearch/data",
		passwordVariable: "ELASTIC_PASSWORD",
		heapVariable:     "ES_JAVA_OPTS",
		variables: []string{
			"xpack.security.enabled=true",
			"xpack.security.http.ssl.enabled=false",
			"xpack.security.transport.ssl.enabled=false",
			// Unused here, and large.
			"xpack.ml.enabled=false",
			// Would fetch databases from the Internet.
			"ingest.geoip.downloader.enabled=false",
		},
	},
}

// environment configures a single node with a heap of a size in MiB.
func (k searchServerKind) environment(heapMiB int) pulumi.StringArray {
	return resources.StringArray(append([]string{
		"discovery.type=single-node",
		"http.host=0.0.0.0",
		// Where nodes talk to one another: there is no other.
		"transport.host=127.0.0.1",
		// Would need a setting of the host's kernel, vm.max_map_count.
		"node.store.allow_mmap=false",
		// By default nothing is stored on a disk that is 90 % full, so that shards move to
		// other nodes: there is no other, and 25 GB free would not be enough on a disk of
		// 250 GB. The three must all be sizes or all be percentages.
		//
		// Source: https://elastic.co/guide/en/elasticsearch/reference/7.6/disk-allocator.html,
		// from before OpenSearch was forked from it.
		"cluster.routing.allocation.disk.watermark.low=2gb",
		"cluster.routing.allocation.disk.watermark.high=1gb",
		"cluster.routing.allocation.disk.watermark.flood_stage=512mb",
		fmt.Sprintf("%s=-Xms%dm -Xmx%dm", k.heapVariable, heapMiB, heapMiB),
	}, k.variables...)...)
}

// healthCheck returns a command that asks, as the superuser, whether every index can
// be written. curl reads the password from its standard input: everybody can see
// arguments. It prints the status of the response, which reveals a refused password.
func (k searchServerKind) healthCheck(user string) string {
	return fmt.Sprintf(`printf 'user = "%s:%%s"' "$%s" | curl --silent --fail --output /dev/null --write-out '%%{http_code}' --config - `+
		`'http://127.0.0.1:%d/_cluster/health?wait_for_status=yellow&timeout=1s'`, user, k.passwordVariable, tracing.SearchPort)
}
