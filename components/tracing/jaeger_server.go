package tracing

import "strconv"

// JaegerServer is the OpenSearch or Elasticsearch in which Jaeger keeps traces.
type JaegerServer struct {
	// URL is where it answers.
	URL string
	// Username authenticates Jaeger; empty means no authentication. The password
	// is not here: Jaeger reads it from its environment, from
	// [JaegerPasswordVariable].
	Username string
	// CA holds the certificates, in PEM, that the server's must be signed by; empty
	// means the ones that Jaeger's image trusts.
	CA string
	// IndexPrefix begins the names of all indices, so that stacks can share a server.
	IndexPrefix string
	// Synchronous acknowledges a span only once the server has it. Jaeger knows how
	// from [JaegerSynchronousWrites] on.
	Synchronous bool
	// SingleNode keeps every index in one piece and once: another node that could
	// have a share or a copy there is not.
	SingleNode bool
}

// JaegerSynchronousWrites is the release of Jaeger from which on it can write to a
// search server before it acknowledges.
//
// Source: jaegertracing/jaeger#9093 and #9094, of July 2026, after 2.20.0.
const JaegerSynchronousWrites = "2.21.0"

// JaegerPasswordVariable is the environment variable from which Jaeger reads the
// password for the server.
const JaegerPasswordVariable = "JAEGER_STORAGE_PASSWORD"

// SearchPort is where OpenSearch and Elasticsearch answer HTTP by default.
const SearchPort = 9200

// Alias is the name, on the stack's network, of a search server of our own.
func (s JaegerStorage) Alias() string { return string(s) }

// OwnURL returns the address of the stack's own search server: without TLS, as all on
// the stack's network.
func (s JaegerStorage) OwnURL() string { return "http://" + s.Alias() + ":" + strconv.Itoa(SearchPort) }

// Superuser is the user that a search server has from its first start.
//
// Sources: https://docs.opensearch.org/latest/security/configuration/demo-configuration/,
// https://www.elastic.co/guide/en/elasticsearch/reference/8.17/built-in-users.html.
func (s JaegerStorage) Superuser() string {
	if s == StorageElasticsearch {
		return "elastic"
	}
	return "admin"
}

// Source: github.com/jaegertracing/jaeger v2.20.0 and, for write_mode and
// poison_pill_handling, 8498073f internal/storage/elasticsearch/config/config.go. Rotation is left at its
// default, an index a day: rollover would need a policy and aliases that something
// else has made before Jaeger starts.
type jaegerSearch struct {
	ServerURLs []string       `json:"server_urls"`
	WriteMode  string         `json:"write_mode,omitempty"`
	Rejected   string         `json:"poison_pill_handling,omitempty"`
	Auth       *jaegerAuth    `json:"auth,omitempty"`
	TLS        *jaegerTLS     `json:"tls,omitempty"`
	MaxSpanAge string         `json:"max_span_age"`
	Indices    *jaegerIndices `json:"indices"`
}

type jaegerAuth struct {
	Basic jaegerBasicAuth `json:"basic"`
}

type jaegerBasicAuth struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

type jaegerTLS struct {
	CA string `json:"ca_pem"`
}

type jaegerIndices struct {
	Prefix       string       `json:"index_prefix"`
	Spans        *jaegerIndex `json:"spans,omitempty"`
	Services     *jaegerIndex `json:"services,omitempty"`
	Dependencies *jaegerIndex `json:"dependencies,omitempty"`
	Sampling     *jaegerIndex `json:"sampling,omitempty"`
}

type jaegerIndex struct {
	Shards   int `json:"shards"`
	Replicas int `json:"replicas"`
}

func newJaegerSearch(spec JaegerSpec) *jaegerSearch {
	server := spec.Server
	search := &jaegerSearch{
		ServerURLs: []string{server.URL},
		// How far back a trace is looked for.
		MaxSpanAge: spec.Retention,
		Indices:    &jaegerIndices{Prefix: server.IndexPrefix},
	}
	if server.Synchronous {
		search.WriteMode = "sync"
		// A span that the server would reject every time, and Jaeger logs then, must not
		// be sent for ever: the Collector never gives up with a queue on disk, and what is
		// behind it would wait.
		search.Rejected = "drop"
	}
	if server.Username != "" {
		search.Auth = &jaegerAuth{jaegerBasicAuth{
			Username: server.Username, Password: "${env:" + JaegerPasswordVariable + "}",
		}}
	}
	if server.CA != "" {
		search.TLS = &jaegerTLS{CA: server.CA}
	}
	if server.SingleNode {
		single := &jaegerIndex{Shards: 1}
		search.Indices.Spans, search.Indices.Services = single, single
		search.Indices.Dependencies, search.Indices.Sampling = single, single
	}
	return search
}
