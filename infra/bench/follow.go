package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/kubetracing/kubetracing/infra/follow"
)

// followed measures what the proxy of follow adds to a request, with and without a
// trace.
func followed(flags *flag.FlagSet) func(*results) error {
	var runs, requests int
	countVar(flags, &runs, "runs", 10, "counted runs")
	countVar(flags, &requests, "requests", 1000, "requests in a run")
	return func(measured *results) error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		api := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
		defer api.Close()
		kubeconfig, err := newKubeconfig(api)
		if err != nil {
			return err
		}
		traced, err := follow.NewCommand(os.LookupEnv)
		if err != nil {
			return err
		}
		for i := range runs + 1 {
			direct, err := latency(ctx, api.Client(), api.URL, requests)
			if err != nil {
				return err
			}
			for variant, command := range map[string]*follow.Command{"by-audit-id": nil, "one-trace": traced} {
				proxy, err := follow.Start(ctx, kubeconfig, "", command)
				if err != nil {
					return err
				}
				through, err := latency(ctx, http.DefaultClient, proxyAddress(proxy), requests)
				if err := proxy.Close(); err != nil {
					return err
				}
				if err != nil {
					return err
				}
				if i == 0 {
					continue
				}
				if err := measured.add(name("Follow", "variant", variant), seconds(through-direct)); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// latency returns the median time of requests, one after the other.
func latency(ctx context.Context, client *http.Client, url string, count int) (time.Duration, error) {
	times := make([]time.Duration, count)
	for i := range times {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/pods", http.NoBody)
		if err != nil {
			return 0, fmt.Errorf("measure a request: %w", err)
		}
		started := time.Now()
		response, err := client.Do(request)
		if err != nil {
			return 0, fmt.Errorf("measure a request: %w", err)
		}
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if err != nil {
			return 0, fmt.Errorf("measure a request: %w", err)
		}
		times[i] = time.Since(started)
	}
	slices.Sort(times)
	return times[count/2], nil
}

var serverAddress = regexp.MustCompile(`server: "(.*)"`)

func proxyAddress(proxy *follow.Proxy) string {
	return serverAddress.FindStringSubmatch(proxy.Kubeconfig())[1]
}

// newKubeconfig returns a kubeconfig with a client certificate for a server.
func newKubeconfig(api *httptest.Server) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("create a client certificate: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("create a client certificate: %w", err)
	}
	encodedKey, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("create a client certificate: %w", err)
	}
	data := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return fmt.Appendf(nil, "clusters: [{cluster: {server: %q, certificate-authority-data: %s}}]\nusers: [{user: {client-certificate-data: %s, client-key-data: %s}}]\n",
		api.URL, data("CERTIFICATE", api.Certificate().Raw), data("CERTIFICATE", der), data("EC PRIVATE KEY", encodedKey)), nil
}
