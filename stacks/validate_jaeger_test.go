package stacks_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

// jaegerServer is a configuration with storage in a search server.
func jaegerServer(t *testing.T, storage string, values map[string]any) map[string]string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"storage": storage, "server": values})
	require.NoError(t, err)
	return section("jaeger", string(text))
}

func TestOpen_SearchServer_Invalid(t *testing.T) {
	t.Parallel()

	const (
		server   = "kubetracing:jaeger.server"
		password = server + ".password"
	)
	hidden := func(field, rule string) []stacks.Problem { return []stacks.Problem{{Field: field, Rule: rule}} }
	weak := "must have at least 8 characters, among them an upper and a lower case letter, a digit and a sign: OpenSearch starts with no other"
	tests := map[string]struct {
		config map[string]string
		want   []stacks.Problem
	}{
		"no server at all": {
			config: section("jaeger", `{"storage": "opensearch"}`),
			want:   hidden(server, "must be chosen with storage opensearch: {password: …}, or {url: …}"),
		},
		"a server for badger": {
			config: jaegerServer(t, "badger", map[string]any{"password": "Tr4ces!!"}),
			want:   []stacks.Problem{{"kubetracing:jaeger.storage", "badger", "must be opensearch or elasticsearch with jaeger.server"}},
		},
		"a retention of hours": {
			config: section("jaeger", `{"storage": "elasticsearch", "retention": "36h", "server": {"password": "hunter2"}}`),
			want: []stacks.Problem{{
				"kubetracing:jaeger.retention", "36h0m0s", "must be whole days, such as 72h, with storage elasticsearch: traces are deleted there by the day",
			}},
		},
		"our own without a password": {
			config: jaegerServer(t, "opensearch", map[string]any{}),
			want:   hidden(server, "must have a password, best a secret, for the server that the stack starts, or the url of one that exists"),
		},
		"a password without an upper case letter": {
			config: jaegerServer(t, "opensearch", map[string]any{"password": "tr4ces!!"}), want: hidden(password, weak),
		},
		"a password without a lower case letter": {
			config: jaegerServer(t, "opensearch", map[string]any{"password": "TR4CES!!"}), want: hidden(password, weak),
		},
		"a password without a digit": {
			config: jaegerServer(t, "opensearch", map[string]any{"password": "Traces!!"}), want: hidden(password, weak),
		},
		"a password without a sign": {
			config: jaegerServer(t, "opensearch", map[string]any{"password": "Tr4ces11"}), want: hidden(password, weak),
		},
		"a password of seven characters": {
			config: jaegerServer(t, "opensearch", map[string]any{"password": "Tr4ces!"}), want: hidden(password, weak),
		},
		"a password that Elasticsearch finds too short": {
			config: jaegerServer(t, "elasticsearch", map[string]any{"password": "hunt2"}),
			want:   hidden(password, "must have at least 6 characters"),
		},
		"a password that Jaeger would expand": {
			config: jaegerServer(t, "elasticsearch", map[string]any{"password": "hunter$2"}),
			want:   hidden(password, "must not contain '$': Jaeger would expand it"),
		},
		"a password that curl would unquote": {
			config: jaegerServer(t, "elasticsearch", map[string]any{"password": `hunter"2`}),
			want:   hidden(password, `must be of ASCII letters, digits and signs, without spaces, '"' and '\'`),
		},
		"keys that are only valid with a URL, and a heap in GiB": {
			config: jaegerServer(t, "elasticsearch", map[string]any{
				"password": "hunter2", "username": "me", "ca": "x", "heapMiB": 2, "image": "a b", "cleanerImage": "c d",
			}),
			want: []stacks.Problem{
				{server + ".cleanerImage", "c d", ruleImage},
				{server + ".username", "me", "is only valid together with url: the stack's own server has the user elastic"},
				{Field: server + ".ca", Rule: "is only valid together with url: the stack's own server has no certificate"},
				{server + ".image", "a b", ruleImage},
				{server + ".heapMiB", "2", "must be from 512 to 31744"},
			},
		},
		"keys that are only valid without a URL": {
			config: jaegerServer(t, "opensearch", map[string]any{
				"url": "http://search.test:9200", "ca": certificate(t), "heapMiB": 2048, "image": "opensearch:3",
			}),
			want: []stacks.Problem{
				{server + ".image", "opensearch:3", "is only valid for a server of the stack's own, but url is chosen"},
				{server + ".heapMiB", "2048", "is only valid for a server of the stack's own, but url is chosen"},
				{Field: server + ".ca", Rule: "is only valid with TLS, which is off"},
			},
		},
		"an address that is not a URL": {
			config: jaegerServer(t, "opensearch", map[string]any{"url": "search.test:9200"}),
			want:   []stacks.Problem{{server + ".url", "search.test:9200", "must be an http or https URL"}},
		},
		"an address that Jaeger would expand": {
			config: jaegerServer(t, "opensearch", map[string]any{"url": "http://$HOST:9200"}),
			want:   []stacks.Problem{{server + ".url", "http://$HOST:9200", "must not contain '$': Jaeger would expand it"}},
		},
		"a password in the address": {
			config: jaegerServer(t, "opensearch", map[string]any{"url": "http://me:hunter2@search.test:9200"}),
			want:   hidden(server+".url", "must not contain a user or a password: write them as username and password, the latter best as a secret"),
		},
		"a user without a password": {
			config: jaegerServer(t, "opensearch", map[string]any{"url": "http://search.test:9200", "username": "me"}),
			want:   hidden(password, "must be chosen with username, best as a secret"),
		},
		"a password without a user": {
			config: jaegerServer(t, "opensearch", map[string]any{"url": "http://search.test:9200", "password": "hunter2"}),
			want:   hidden(password, "is only valid together with username"),
		},
		"a user whose name would end early": {
			config: jaegerServer(t, "opensearch", map[string]any{"url": "http://search.test:9200", "username": "a:b", "password": "hunter2"}),
			want:   []stacks.Problem{{server + ".username", "a:b", "must be one line without '$' and ':'"}},
		},
		"certificates that are malformed": {
			config: jaegerServer(t, "opensearch", map[string]any{"url": "https://search.test:9200", "ca": "x"}),
			want:   hidden(server+".ca", "must be certificates in PEM: PEM block 1 is malformed"),
		},
	}
	for mistake, test := range tests {
		t.Run(mistake, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, problemsOf(t, test.config))
		})
	}
}

func TestOpen_SearchServer(t *testing.T) {
	t.Parallel()

	tests := map[string]map[string]string{
		"our own OpenSearch":                      jaegerServer(t, "opensearch", map[string]any{"password": "Tr4ces!!"}),
		"our own Elasticsearch":                   jaegerServer(t, "elasticsearch", map[string]any{"password": "hunter2"}),
		"a password that is encrypted":            jaegerServer(t, "opensearch", map[string]any{"password": "[secret]"}),
		"an existing one that asks nobody":        jaegerServer(t, "opensearch", map[string]any{"url": "http://search.test:9200"}),
		"an existing one with a weaker policy":    jaegerServer(t, "opensearch", map[string]any{"url": "http://a:9200", "username": "me", "password": "x"}),
		"an existing one with a certificate":      jaegerServer(t, "elasticsearch", map[string]any{"url": "https://a", "ca": certificate(t)}),
		"every sign that needs no second thought": jaegerServer(t, "opensearch", map[string]any{"password": "Tr4ces!#%&'()*+,-./:;<=>?@[]^_`{|}~"}),
	}
	for name, config := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settingsOf(t, config)
		})
	}
}

func TestOpen_HidesPasswords(t *testing.T) {
	t.Parallel()

	tests := map[string]any{
		"expanded":                          map[string]any{"password": "hunter2$"},
		"weak":                              map[string]any{"password": "hunter2"},
		"a list":                            map[string]any{"password": []any{"hunter2"}},
		"in the URL":                        map[string]any{"url": "https://me:hunter2@search.test"},
		"in an invalid URL":                 map[string]any{"url": "me:hunter2@search.test"},
		"in the URL, with what is expanded": map[string]any{"url": "https://me:hunter2$@search.test"},
		"a text in place of the server":     "hunter2",
	}
	for name, server := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := json.Marshal(map[string]any{"storage": "opensearch", "server": server})
			require.NoError(t, err)
			_, err = stacks.New("kubetracing", "dev", section("jaeger", string(text)))
			require.ErrorContains(t, err, "jaeger.server")
			assert.NotContains(t, err.Error(), "hunter2", "the report shows the secret")
		})
	}
}

func TestSettings_ServerImage(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		config map[string]string
		want   string
	}{
		"OpenSearch":    {jaegerServer(t, "opensearch", map[string]any{"password": "Tr4ces!!"}), stacks.OpenSearchImage},
		"Elasticsearch": {jaegerServer(t, "elasticsearch", map[string]any{"password": "hunter2"}), stacks.ElasticsearchImage},
		"a chosen one": {
			jaegerServer(t, "opensearch", map[string]any{"password": "Tr4ces!!", "image": "mirror.test/opensearch:2"}),
			"mirror.test/opensearch:2",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, settingsOf(t, test.config).ServerImage())
		})
	}
}

func TestJaegerSettings_MaxAge(t *testing.T) {
	t.Parallel()

	assert.Zero(t, settingsOf(t, nil).Jaeger.MaxAge(), "storage in memory keeps a number of traces")
	assert.Equal(t, 48*time.Hour, settingsOf(t, section("jaeger", `{"storage": "badger", "retention": "48h"}`)).Jaeger.MaxAge())
}
