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
		Name    string  `json:"name"`
		Cluster cluster `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		Name string `json:"name"`
		User user   `json:"user"`
	} `json:"users"`
	Contexts []struct {
		Name    string  `json:"name"`
		Context context `json:"context"`
	} `json:"contexts"`
	Current string `json:"current-context"`

	cluster cluster
	user    user
}

type cluster struct {
	Server string `json:"server"`
	CA     []byte `json:"certificate-authority-data"`
}

type user struct {
	Certificate []byte `json:"client-certificate-data"`
	Key         []byte `json:"client-key-data"`
}

type context struct {
	Cluster string `json:"cluster"`
	User    string `json:"user"`
}

// Read reads a kubeconfig. Its current context decides on cluster and user; without one
// they are the first.
func Read(text []byte) (Config, error) {
	var config Config
	if err := yaml.Unmarshal(text, &config); err != nil {
		return Config{}, fmt.Errorf("read kubeconfig: %w", err)
	}
	if len(config.Clusters) == 0 || len(config.Users) == 0 {
		return Config{}, errors.New("read kubeconfig: it has no cluster or no user")
	}
	config.cluster, config.user = config.Clusters[0].Cluster, config.Users[0].User
	if config.Current == "" {
		return config, nil
	}
	if err := config.choose(); err != nil {
		return Config{}, fmt.Errorf("read kubeconfig: %w", err)
	}
	return config, nil
}

// choose takes cluster and user of the current context.
func (c *Config) choose() error {
	for _, named := range c.Contexts {
		if named.Name != c.Current {
			continue
		}
		hasCluster, hasUser := false, false
		for _, one := range c.Clusters {
			if one.Name == named.Context.Cluster {
				c.cluster, hasCluster = one.Cluster, true
			}
		}
		for _, one := range c.Users {
			if one.Name == named.Context.User {
				c.user, hasUser = one.User, true
			}
		}
		if !hasCluster || !hasUser {
			return fmt.Errorf("its context %q names a cluster or a user that it does not have", c.Current)
		}
		return nil
	}
	return fmt.Errorf("it does not have its current context %q", c.Current)
}

// Server returns the address of the cluster.
func (c Config) Server() string { return c.cluster.Server }

// TLS returns a configuration that trusts the cluster's authority and authenticates as
// the user.
func (c Config) TLS() (*tls.Config, error) {
	certificate, err := tls.X509KeyPair(c.user.Certificate, c.user.Key)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: client certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.cluster.CA) {
		return nil, errors.New("read kubeconfig: no certificate in certificate-authority-data")
	}
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, nil
}
