package lifecycle

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/poll"
	"github.com/kubetracing/kubetracing/components/spec"
)

// certificateTimeout bounds the issue of a certificate, which takes the cluster's
// controllers a second or two.
const certificateTimeout = time.Minute

// certificateInterval is the pause between two looks for the certificate.
const certificateInterval = 200 * time.Millisecond

// clientSigner is the signer of certificates that kube-apiserver accepts from clients.
//
// Source: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers.
const clientSigner = "kubernetes.io/kube-apiserver-client"

// IssueCertificate returns a new key and the certificate that the cluster signs for it.
// It asks for the certificate and approves the request as the cluster's administrator;
// the cluster removes the request by itself.
func (m *Manager) IssueCertificate(ctx context.Context, document spec.ClientCertificate) (spec.KeyPair, error) {
	if document.Node == "" || document.User == "" {
		return spec.KeyPair{}, errors.New("a client certificate must have a node and a user")
	}
	ctx, cancel := context.WithTimeout(ctx, certificateTimeout)
	defer cancel()
	pair, err := m.issueCertificate(ctx, document)
	if err != nil {
		return spec.KeyPair{}, fmt.Errorf("issue a certificate for user %s: %w", document.User, err)
	}
	return pair, nil
}

func (m *Manager) issueCertificate(ctx context.Context, document spec.ClientCertificate) (spec.KeyPair, error) {
	key, request, err := newCertificateRequest(document)
	if err != nil {
		return spec.KeyPair{}, err
	}
	object, err := json.Marshal(map[string]any{
		"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
		"metadata": map[string]any{"generateName": "kubetracing-"},
		"spec": map[string]any{
			"request": request, "signerName": clientSigner, "usages": []string{"client auth"},
		},
	})
	if err != nil {
		return spec.KeyPair{}, fmt.Errorf("encode the request: %w", err)
	}
	created, err := m.docker.ExecInput(ctx, document.Node, string(object), "kubectl", "create", "--filename", "-", "--output", "name")
	if err != nil {
		return spec.KeyPair{}, fmt.Errorf("create the request: %w", err)
	}
	_, name, _ := strings.Cut(strings.TrimSpace(created), "/")
	if _, err := m.docker.Exec(ctx, document.Node, "kubectl", "certificate", "approve", name); err != nil {
		return spec.KeyPair{}, fmt.Errorf("approve request %s: %w", name, err)
	}
	var certificate []byte
	err = poll.Loop{Interval: certificateInterval}.Until(ctx, func(ctx context.Context) (string, bool, error) {
		certificate, err = m.signedCertificate(ctx, document.Node, name)
		return "", certificate != nil, err
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return spec.KeyPair{}, fmt.Errorf("the cluster has not signed request %s within %s", name, certificateTimeout)
	case err != nil:
		return spec.KeyPair{}, err
	}
	return spec.KeyPair{Certificate: string(certificate), Key: key}, nil
}

// signedCertificate returns the certificate of a request, in PEM; nil while it is not
// signed.
func (m *Manager) signedCertificate(ctx context.Context, node, name string) ([]byte, error) {
	text, err := m.docker.Exec(ctx, node, "kubectl", "get", "certificatesigningrequest", name, "--output", "json")
	if err != nil {
		return nil, fmt.Errorf("read request %s: %w", name, err)
	}
	var request struct {
		Status struct {
			Certificate []byte
			Conditions  []struct{ Type, Message string }
		}
	}
	if err := json.Unmarshal([]byte(text), &request); err != nil {
		return nil, fmt.Errorf("read request %s: %w", name, err)
	}
	for _, condition := range request.Status.Conditions {
		if condition.Type == "Failed" || condition.Type == "Denied" {
			return nil, fmt.Errorf("request %s is %s: %s", name, strings.ToLower(condition.Type), condition.Message)
		}
	}
	return request.Status.Certificate, nil
}

// newCertificateRequest returns a new private key and a request for a certificate of
// it, both in PEM.
//
// Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
// (common name and organizations).
func newCertificateRequest(document spec.ClientCertificate) (key string, request []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", nil, fmt.Errorf("generate a key: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", nil, fmt.Errorf("encode the key: %w", err)
	}
	signed, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: document.User, Organization: document.Groups},
	}, private)
	if err != nil {
		return "", nil, fmt.Errorf("sign the request: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: signed}), nil
}
