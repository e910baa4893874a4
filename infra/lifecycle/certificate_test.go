package lifecycle_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

// operator is the user of these tests.
var operator = spec.ClientCertificate{Node: server, User: "operator", Groups: []string{"system:monitoring", "more"}}

const (
	createRequest  = "docker exec --interactive " + server + " kubectl create --filename - --output name"
	approveRequest = "docker exec " + server + " kubectl certificate approve kubetracing-x1"
	readRequest    = "docker exec " + server + " kubectl get certificatesigningrequest kubetracing-x1 --output json"
)

// signing prepares a cluster that signs the request kubetracing-x1.
func (h *host) signing() {
	h.On(dockertest.Command(createRequest), dockertest.Print("certificatesigningrequest.certificates.k8s.io/kubetracing-x1\n"))
	h.On(dockertest.Command(approveRequest), dockertest.Answer{})
	h.On(dockertest.Command(readRequest), dockertest.Print(`{"status":{}}`), dockertest.Print(`{"status":{"conditions":[{"type":"Approved"}]}}`),
		dockertest.Print(`{"status":{"certificate":"`+base64.StdEncoding.EncodeToString([]byte("SIGNED"))+`"}}`))
}

func TestCommand_CertificateIssue(t *testing.T) {
	inBubble(t, "prints the certificate and the key that the request is for", func(t *testing.T, h *host) {
		h.signing()
		require.NoError(t, h.command(encode(t, operator), nil).CertificateIssue(t.Context()))
		var pair spec.KeyPair
		require.NoError(t, spec.Decode(h.stdout.Bytes(), &pair))
		assert.Equal(t, "SIGNED", pair.Certificate)
		assert.Empty(t, h.stderr.String(), "a key is in no log")

		calls := h.Calls("docker", "exec")
		var lines []string
		for _, call := range calls {
			lines = append(lines, call.String())
			assert.NotContains(t, call.String()+call.Stdin, "PRIVATE KEY", "the key stays here")
		}
		assert.Equal(t, []string{createRequest, approveRequest, readRequest, readRequest, readRequest}, lines)
		var object struct {
			APIVersion, Kind string
			Metadata         map[string]string
			Spec             struct {
				Request    []byte
				SignerName string
				Usages     []string
			}
		}
		require.NoError(t, json.Unmarshal([]byte(calls[0].Stdin), &object))
		assert.Equal(t, "certificates.k8s.io/v1 CertificateSigningRequest", object.APIVersion+" "+object.Kind)
		assert.Equal(t, map[string]string{"generateName": "kubetracing-"}, object.Metadata)
		assert.Equal(t, "kubernetes.io/kube-apiserver-client", object.Spec.SignerName)
		assert.Equal(t, []string{"client auth"}, object.Spec.Usages)
		block, _ := pem.Decode(object.Spec.Request)
		require.NotNil(t, block)
		assert.Equal(t, "CERTIFICATE REQUEST", block.Type)
		request, err := x509.ParseCertificateRequest(block.Bytes)
		require.NoError(t, err)
		require.NoError(t, request.CheckSignature())
		assert.Equal(t, "operator", request.Subject.CommonName)
		assert.ElementsMatch(t, []string{"system:monitoring", "more"}, request.Subject.Organization)
		key, _ := pem.Decode([]byte(pair.Key))
		require.NotNil(t, key)
		private, err := x509.ParsePKCS8PrivateKey(key.Bytes)
		require.NoError(t, err)
		assert.True(t, private.(*ecdsa.PrivateKey).PublicKey.Equal(request.PublicKey))
	})

	for name, test := range map[string]struct {
		prepare func(h *host)
		message string
	}{
		"a request that is refused": {
			func(h *host) { h.On(dockertest.Command(createRequest), dockertest.Fail("forbidden")) },
			"create the request: docker exec --interactive " + server + " kubectl create --filename - --output name: exit status 1: forbidden",
		},
		"a request that may not be approved": {
			func(h *host) { h.On(dockertest.Command(approveRequest), dockertest.Fail("forbidden")) },
			"approve request kubetracing-x1: " + approveRequest + ": exit status 1: forbidden",
		},
		"a request that the signer refuses": {
			func(h *host) {
				h.On(dockertest.Command(readRequest), dockertest.Print(`{"status":{"conditions":[{"type":"Failed","message":"bad usage"}]}}`))
			},
			"request kubetracing-x1 is failed: bad usage",
		},
		"a request that somebody else denies": {
			func(h *host) {
				h.On(dockertest.Command(readRequest), dockertest.Print(`{"status":{"conditions":[{"type":"Denied","message":"no"}]}}`))
			},
			"request kubetracing-x1 is denied: no",
		},
		"a signer that does nothing": {
			func(h *host) { h.On(dockertest.Command(readRequest), dockertest.Print(`{"status":{}}`)) },
			"the cluster has not signed request kubetracing-x1 within 1m0s",
		},
		"something that is no request": {
			func(h *host) { h.On(dockertest.Command(readRequest), dockertest.Print(`?`)) },
			"read request kubetracing-x1: invalid character '?' looking for beginning of value",
		},
	} {
		inBubble(t, name, func(t *testing.T, h *host) {
			h.signing()
			test.prepare(h)
			err := h.command(encode(t, operator), nil).CertificateIssue(t.Context())
			require.EqualError(t, err, "issue a certificate for user operator: "+test.message)
			assert.Empty(t, h.stdout.String())
		})
	}

	inBubble(t, "an end of the caller's context", func(t *testing.T, h *host) {
		h.signing()
		h.On(dockertest.Command(readRequest), dockertest.Print(`{"status":{}}`))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, h.command(encode(t, operator), nil).CertificateIssue(ctx), context.Canceled)
	})

	inBubble(t, "no user", func(t *testing.T, h *host) {
		require.EqualError(t, h.command(encode(t, spec.ClientCertificate{Node: server}), nil).CertificateIssue(t.Context()),
			"a client certificate must have a node and a user")
	})
}
