package stacks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/stacks"
)

// cluster is a configuration of the section cluster.
func cluster(t *testing.T, settings map[string]any) map[string]string {
	t.Helper()
	text, err := json.Marshal(settings)
	require.NoError(t, err)
	return section("cluster", string(text))
}

func TestPulls(t *testing.T) {
	t.Parallel()
	stack, err := stacks.New("kubetracing", "dev", cluster(t, map[string]any{
		"proxy": map[string]any{
			"http": "http://proxy.example:3128", "https": "socks5://192.0.2.1:1080/",
			"except": []string{"example.com", ".example.org", "*.example.net", "registry:5000", "192.0.2.1", "2001:db8::/32", "10.0.0.0/8"},
		},
		"registries": []any{
			map[string]any{"name": "docker.io", "mirrors": []string{"https://mirror.example:5000/hub", "http://192.0.2.1"}},
			map[string]any{"name": "mirror.example:5000", "username": "me", "password": "hunter2", "insecure": true},
		},
	}))
	require.NoError(t, err)
	assert.Equal(t, tracing.Pulls{
		Proxy: tracing.Proxy{
			HTTP: "http://proxy.example:3128", HTTPS: "socks5://192.0.2.1:1080/",
			Except: []string{"example.com", ".example.org", "*.example.net", "registry:5000", "192.0.2.1", "2001:db8::/32", "10.0.0.0/8"},
		},
		Registries: []tracing.Registry{
			{Name: "docker.io", Mirrors: []string{"https://mirror.example:5000/hub", "http://192.0.2.1"}},
			{Name: "mirror.example:5000", Username: "me", Password: "hunter2", Insecure: true},
		},
	}, stack.ClusterSpec().Pulls)
}

func TestPulls_Mistakes(t *testing.T) {
	t.Parallel()
	const (
		aProxy    = "must be the http, https or socks5 URL of a proxy without a path: http://proxy.example:3128"
		anExcept  = "must be one host with or without a port, a domain such as .example.com, an address or a range in CIDR notation"
		aRegistry = "must be the host of a registry as images name it, with or without a port: docker.io"
		aMirror   = "must be an http or https URL, whose path, if any, stands before the names of images"
		inClear   = "must not have a user or a password in the clear: encrypt the URL with " +
			"`pulumi config set --secret --path 'kubetracing:cluster.proxy.https' URL`"
	)
	problem := func(key, value, rule string) stacks.Problem {
		return stacks.Problem{Field: "kubetracing:cluster." + key, Value: value, Rule: rule}
	}
	for name, test := range map[string]struct {
		settings map[string]any
		want     []stacks.Problem
	}{
		"proxies": {
			map[string]any{"proxy": map[string]any{"http": "proxy.example:3128", "https": "ftp://proxy.example"}},
			[]stacks.Problem{problem("proxy.http", "proxy.example:3128", aProxy), problem("proxy.https", "ftp://proxy.example", aProxy)},
		},
		"a proxy with a path and one with a quote": {
			map[string]any{"proxy": map[string]any{"http": "http://proxy.example/pac", "https": "http://proxy.example/'"}},
			[]stacks.Problem{problem("proxy.http", "http://proxy.example/pac", aProxy), problem("proxy.https", "http://proxy.example/'", aProxy)},
		},
		"a password in the clear": {
			map[string]any{"proxy": map[string]any{"https": "http://me:hunter2@proxy.example:3128"}}, []stacks.Problem{problem("proxy.https", "", inClear)},
		},
		"a password in something else": {
			map[string]any{"proxy": map[string]any{"https": "me:hunter2@proxy.example:3128"}}, []stacks.Problem{problem("proxy.https", "", inClear)},
		},
		"exceptions": {
			map[string]any{"proxy": map[string]any{"http": "http://p", "except": []string{"a,b", "", "it's", "http://a", "10.0.0.0/33"}}},
			[]stacks.Problem{
				problem("proxy.except[0]", "a,b", anExcept), problem("proxy.except[1]", `""`, anExcept), problem("proxy.except[2]", "it's", anExcept),
				problem("proxy.except[3]", "http://a", anExcept), problem("proxy.except[4]", "10.0.0.0/33", anExcept),
			},
		},
		"exceptions without a proxy": {
			map[string]any{"proxy": map[string]any{"except": []string{"a", "b"}}},
			[]stacks.Problem{problem("proxy.except", "a, b", "needs cluster.proxy.http or cluster.proxy.https")},
		},
		"registries": {
			map[string]any{"registries": []any{
				map[string]any{"name": "https://docker.io", "insecure": true},
				map[string]any{"name": "ghcr.io", "insecure": true},
				map[string]any{"name": "ghcr.io", "insecure": true},
				map[string]any{"name": "quay.io"},
			}},
			[]stacks.Problem{
				problem("registries[0].name", "https://docker.io", aRegistry), problem("registries[2].name", "ghcr.io", "is listed twice"),
				problem("registries[3]", "quay.io", "must have mirrors, a username with a password, or insecure: true"),
			},
		},
		"mirrors": {
			map[string]any{"registries": []any{map[string]any{"name": "docker.io", "mirrors": []string{
				"mirror.example", "https://me:hunter2@mirror.example", "https://mirror.example/v2/hub", "https://a", "https://a", "https://a?b=c",
			}}}},
			[]stacks.Problem{
				problem("registries[0].mirrors[0]", "mirror.example", aMirror),
				problem("registries[0].mirrors[1]", "", "must not contain a user or a password: list the mirror's host in cluster.registries with its username and password"),
				problem("registries[0].mirrors[2]", "https://mirror.example/v2/hub", "must not begin its path with /v2, which is part of every registry's API"),
				problem("registries[0].mirrors[4]", "https://a", "is listed twice"),
				problem("registries[0].mirrors[5]", "https://a?b=c", aMirror),
			},
		},
		"logins": {
			map[string]any{"registries": []any{
				map[string]any{"name": "a", "username": "me"},
				map[string]any{"name": "b", "password": "hunter2"},
				map[string]any{"name": "c", "username": "m:e", "password": "hunter2"},
				map[string]any{"name": "d", "username": "me", "password": "hun\nter2"},
			}},
			[]stacks.Problem{
				problem("registries[0].password", "", "is missing, but there is a username"),
				problem("registries[1].username", `""`, "is missing, but there is a password"),
				problem("registries[2].username", "m:e", "must be one line without ':'"), problem("registries[3].password", "", "must be one line"),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, problemsOf(t, cluster(t, test.settings)))
		})
	}
}

// Where it can be read as well as where it cannot, what is encrypted is not shown.
func TestPulls_Secret(t *testing.T) {
	t.Parallel()
	settings := func(proxy, password string) map[string]string {
		return cluster(t, map[string]any{
			"proxy":      map[string]any{"http": "http://proxy.example", "https": proxy},
			"registries": []any{map[string]any{"name": "docker.io", "username": "me", "password": password}},
		})
	}
	offline, err := stacks.New("kubetracing", "dev", settings("[secret]", "[secret]"))
	require.NoError(t, err)
	online, err := stacks.OpenConfig(".", "kubetracing", "dev", stacks.Config{
		Values: settings("http://me:hunter2@proxy.example", "hunter2"), Secret: []string{"kubetracing:cluster"},
	})
	require.NoError(t, err)
	assert.True(t, offline.ClusterSpec().Pulls.Proxy.Secret)
	assert.True(t, online.ClusterSpec().Pulls.Proxy.Secret)
	assert.Equal(t, "http://me:hunter2@proxy.example", online.ClusterSpec().Pulls.Proxy.HTTPS)

	_, err = stacks.OpenConfig(".", "kubetracing", "dev", stacks.Config{
		Values: settings("http://me:hunter2@", "hunter2"), Secret: []string{"kubetracing:cluster"},
	})
	require.EqualError(t, err, "the stack configuration has 1 mistake:\n  - kubetracing:cluster.proxy.https: "+
		"must be the http, https or socks5 URL of a proxy without a path: http://proxy.example:3128")
}

// authority returns a certificate in PEM that is valid from one time to another.
func authority(t *testing.T, name string, isCA bool, from, until time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until,
		IsCA: isCA, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
}

func TestCertificateAuthorities(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	now, root := time.Now(), t.TempDir()
	first, second := authority(t, "first", true, now.Add(-hour), now.Add(hour)), authority(t, "second", true, now.Add(-hour), now.Add(hour))
	absolute := filepath.Join(t.TempDir(), "second.pem")
	require.NoError(t, os.WriteFile(absolute, []byte(second), 0o600))
	for name, content := range map[string]string{
		"first.pem":   "A comment.\r\n" + strings.ReplaceAll(first, "\n", "\r\n"),
		"both.pem":    first + second,
		"empty.pem":   "",
		"text.pem":    "nothing",
		"key.pem":     first + "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n",
		"broken.pem":  "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n",
		"leaf.pem":    authority(t, "leaf", false, now.Add(-hour), now.Add(hour)),
		"expired.pem": authority(t, "old", true, time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2002, 2, 3, 0, 0, 0, 0, time.UTC)),
		"early.pem":   authority(t, "new", true, time.Date(2201, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2202, 2, 3, 0, 0, 0, 0, time.UTC)),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(content), 0o600))
	}
	open := func(files ...string) (stacks.Stack, error) {
		return stacks.Open(root, "kubetracing", "dev", cluster(t, map[string]any{"certificateAuthorities": files}))
	}
	stack, err := open("first.pem", absolute, "both.pem")
	require.NoError(t, err)
	assert.Equal(t, first+second+first+second, stack.ClusterSpec().Pulls.Certificates, "in order, and nothing else of the files")

	files := []string{"absent.pem", "", "empty.pem", "text.pem", "key.pem", "broken.pem", "leaf.pem", "expired.pem", "early.pem", "first.pem"}
	_, err = open(files...)
	var problems stacks.Problems
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 9)
	for i, rule := range []string{
		"must be a file; relative paths are below the project's root", "must be the path of a file",
		"must hold certificates in PEM", "must hold certificates in PEM", "must hold nothing but certificates in PEM, but has a PRIVATE KEY",
		"must hold certificates in PEM: x509: malformed certificate", "must hold authorities, but CN=leaf is none",
		"must be valid, but CN=old expired on 2002-02-03", "must be valid, but CN=new is not before 2201-01-01",
	} {
		value := files[i]
		if value == "" {
			value = `""`
		}
		assert.Equal(t, value, problems[i].Value)
		assert.Equal(t, rule, problems[i].Rule)
	}
	assert.NotContains(t, err.Error(), "aHVudGVyMg")
}
