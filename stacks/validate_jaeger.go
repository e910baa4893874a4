package stacks

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// minRetention is the shortest time for which keeping traces makes sense: an
// update verifies for up to minutes.
const minRetention = 10 * time.Minute

// maxTracesLimit keeps a mistyped number of traces from filling the host's memory: a
// trace of a dozen spans takes some ten kilobytes.
const maxTracesLimit = 10_000_000

// day is the span of one index, and so the unit of retention in a search server.
const day = 24 * time.Hour

// At the lower bound an idle Elasticsearch 9.4 used 800 MiB of the 1024 that it may
// have; with half of that OpenSearch 3.4 had all but 23 MiB in use. Above the upper
// one, 31 GiB, Java's pointers get longer and the heap holds less.
//
// Source: https://www.elastic.co/guide/en/elasticsearch/reference/8.17/advanced-configuration.html.
const (
	minHeapMiB = 512
	maxHeapMiB = 31 << 10
)

func (v *validator) jaeger(j JaegerSettings) {
	v.image("jaeger.image", j.Image)
	oneOf(v, "jaeger.storage", j.Storage, jaegerStorages)
	if j.Retention < minRetention {
		v.reject("jaeger.retention", j.Retention, fmt.Sprintf("must be at least %s", minRetention))
	} else if j.Storage.IsServer() && j.Retention%day != 0 {
		v.reject("jaeger.retention", j.Retention,
			fmt.Sprintf("must be whole days, such as 72h, with storage %s: traces are deleted there by the day", j.Storage))
	}
	if j.MaxTraces < 1 || j.MaxTraces > maxTracesLimit {
		v.reject("jaeger.maxTraces", j.MaxTraces, fmt.Sprintf("must be from 1 to %d", maxTracesLimit))
	}
	switch {
	case j.Server == nil && j.Storage.IsServer():
		v.hide("jaeger.server", fmt.Sprintf("must be chosen with storage %s: {password: …}, or {url: …}", j.Storage))
	case j.Server != nil && (j.Storage == tracing.StorageMemory || j.Storage == tracing.StorageBadger):
		v.reject("jaeger.storage", j.Storage,
			fmt.Sprintf("must be %s or %s with jaeger.server", tracing.StorageOpenSearch, tracing.StorageElasticsearch))
	case j.Server != nil:
		v.server(j.Storage, *j.Server)
	}
}

func (v *validator) server(storage tracing.JaegerStorage, server ServerSettings) {
	v.image("jaeger.server.cleanerImage", server.CleanerImage)
	if server.URL == "" {
		v.ownServer(storage, server)
	} else {
		v.existingServer(server)
	}
	switch password := string(server.Password); {
	case strings.Contains(password, "$"):
		v.hide("jaeger.server.password", "must not contain '$': Jaeger would expand it")
	case password != "" && !plainPassword.MatchString(password):
		v.hide("jaeger.server.password", `must be of ASCII letters, digits and signs, without spaces, '"' and '\'`)
	}
}

// plainPassword travels unchanged through environment variables, YAML and the
// configuration of curl.
var plainPassword = regexp.MustCompile(`^[!#%-\[\]-~]+$`)

// ownServer checks the settings of a container of the stack's own.
func (v *validator) ownServer(storage tracing.JaegerStorage, server ServerSettings) {
	if server.Username != "" {
		v.reject("jaeger.server.username", server.Username, "is only valid together with url: the stack's own server has the user "+storage.Superuser())
	}
	if server.CA != "" {
		v.hide("jaeger.server.ca", "is only valid together with url: the stack's own server has no certificate")
	}
	if server.Image != "" {
		v.image("jaeger.server.image", server.Image)
	}
	if server.HeapMiB < minHeapMiB || server.HeapMiB > maxHeapMiB {
		v.reject("jaeger.server.heapMiB", server.HeapMiB, fmt.Sprintf("must be from %d to %d", minHeapMiB, maxHeapMiB))
	}
	switch {
	case server.Password == "":
		v.hide("jaeger.server", "must have a password, best a secret, for the server that the stack starts, or the url of one that exists")
	case server.Password == blinded:
		// Encrypted: what is planned does not depend on it.
	case storage == tracing.StorageOpenSearch && !strongPassword(string(server.Password)):
		v.hide("jaeger.server.password",
			"must have at least 8 characters, among them an upper and a lower case letter, a digit and a sign: OpenSearch starts with no other")
	case len(server.Password) < minElasticPassword:
		v.hide("jaeger.server.password", fmt.Sprintf("must have at least %d characters", minElasticPassword))
	}
}

// minElasticPassword is Elasticsearch's own rule.
//
// Source: https://www.elastic.co/guide/en/elasticsearch/reference/8.17/docker.html.
const minElasticPassword = 6

// strongPassword reports whether OpenSearch's installer may accept a password, which
// it also requires to be hard to guess.
//
// Source: github.com/opensearch-project/security 2.19.4
// org.opensearch.security.tools.democonfig.SecuritySettingsConfigurer.
func strongPassword(password string) bool {
	for _, part := range []string{`[A-Z]`, `[a-z]`, `[0-9]`, `[^a-zA-Z0-9]`, `.{8,}`} {
		if matched, err := regexp.MatchString(part, password); err != nil || !matched {
			return false
		}
	}
	return true
}

// existingServer checks how an existing server is reached.
func (v *validator) existingServer(server ServerSettings) {
	switch {
	case urlHasCredentials(server.URL):
		v.hide("jaeger.server.url", "must not contain a user or a password: write them as username and password, the latter best as a secret")
	case strings.Contains(server.URL, "$"):
		v.reject("jaeger.server.url", server.URL, "must not contain '$': Jaeger would expand it")
	case !isHTTPURL(server.URL):
		v.reject("jaeger.server.url", server.URL, "must be an http or https URL")
	}
	if server.Username == "" && server.Password != "" {
		v.hide("jaeger.server.password", "is only valid together with username")
	}
	if server.Username != "" && server.Password == "" {
		v.hide("jaeger.server.password", "must be chosen with username, best as a secret")
	}
	if strings.ContainsAny(server.Username, "$:\r\n\x00") {
		v.reject("jaeger.server.username", server.Username, "must be one line without '$' and ':'")
	}
	if server.Image != "" {
		v.reject("jaeger.server.image", server.Image, "is only valid for a server of the stack's own, but url is chosen")
	}
	if server.HeapMiB != defaultServer().HeapMiB {
		v.reject("jaeger.server.heapMiB", server.HeapMiB, "is only valid for a server of the stack's own, but url is chosen")
	}
	if server.CA != "" {
		if err := checkCertificates(server.CA); err != nil {
			v.hide("jaeger.server.ca", "must be certificates in PEM: "+err.Error())
		}
		if !strings.HasPrefix(server.URL, "https://") {
			v.hide("jaeger.server.ca", "is only valid with TLS, which is off")
		}
	}
}
