// Package kubeconfig reads what is needed of a kubeconfig to reach a cluster with a
// client certificate.
package kubeconfig

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"sigs.k8s.io/yaml"
)

// Config is the part of a kubeconfig that is read.
//
// Source: k8s.io/client-go/tools/clientcmd/api/v1/types.go.
type Config struct {
	Clusters []struct {
		Cluster struct {
			Server string `json:"server"`
			CA     []byte `json:"certificate-authority-data"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		User struct {
			Certificate []byte `json:"client-certificate-data"`
			Key         []byte `json:"client-key-data"`
		} `json:"user"`
	} `json:"users"`
}

// Read reads a kubeconfig, which must have at least one cluster and one user.
func Read(text []byte) (Config, error) {
	var config Config
	if err := yaml.Unmarshal(text, &config); err != nil {
		return Config{}, fmt.Errorf("read kubeconfig: %w", err)
	}
	if len(config.Clusters) == 0 || len(config.Users) == 0 {
		return Config{}, errors.New("read kubeconfig: it has no cluster or no user")
	}
	return config, nil
}

// Server returns the address of the first cluster.
func (c Config) Server() string { return c.Clusters[0].Cluster.Server }

// TLS returns a configuration that trusts the first cluster's authority and
// authenticates as the first user.
func (c Config) TLS() (*tls.Config, error) {
	user := c.Users[0].User
	certificate, err := tls.X509KeyPair(user.Certificate, user.Key)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: client certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.Clusters[0].Cluster.CA) {
		return nil, errors.New("read kubeconfig: no certificate in certificate-authority-data")
	}
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, nil
}
