package tracing

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Pulls decides how the nodes reach the registries of images. The zero value means
// directly, as their image is set up.
type Pulls struct {
	// Proxy is what requests go through.
	Proxy Proxy
	// Certificates are authorities, in PEM, that are trusted beside those of the node's
	// image. Optional.
	Certificates string
	// Registries are those that are reached otherwise than by their names.
	Registries []Registry
}

// Proxy is an HTTP proxy.
type Proxy struct {
	// HTTP and HTTPS are the URLs of the proxies for http and https; empty means none.
	HTTP, HTTPS string
	// Except lists hosts, domains and ranges that are reached directly, besides those of
	// the cluster itself.
	Except []string
	// Secret reports whether the URLs must not be shown.
	Secret bool
}

// Registry says how one registry is reached.
type Registry struct {
	// Name is its host, with the port if any, as images name it: docker.io.
	Name string
	// Mirrors are the URLs of registries that are asked for its images first, in this
	// order. A path stands before the image's name.
	Mirrors []string
	// Username and Password log in to the host Name; empty means no login.
	Username, Password string
	// Insecure accepts any certificate of the host Name.
	Insecure bool
}

// Files in ConfigDirectory that decide how images are pulled. Those of CRI-O have names
// by which k3s.sh knows that CRI-O reads them.
const (
	// FileContainerdPulls and FileCRIOPulls are the container runtime's variables, for a
	// POSIX shell to source.
	FileContainerdPulls = "pulls.env"
	FileCRIOPulls       = "crio.env"
	// FileContainerdAuthorities and FileCRIOAuthorities are the certificates of [Pulls].
	FileContainerdAuthorities = "certificates.pem"
	FileCRIOAuthorities       = "crio.pem"
	// FileContainerdRegistries is what k3s configures containerd from.
	FileContainerdRegistries = "registries.yaml"
	// FileCRIORegistries and FileCRIOAuth are the registries and the logins.
	FileCRIORegistries = "crio.registries.conf"
	FileCRIOAuth       = "crio.auth.json"
)

// used reports whether requests go through a proxy.
func (p Proxy) used() bool { return p.HTTP != "" || p.HTTPS != "" }

// logins reports whether a registry has a login.
func (p Pulls) logins() bool {
	return slices.ContainsFunc(p.Registries, func(r Registry) bool { return r.Username != "" })
}

// environment reports whether the container runtime gets variables.
func (p Pulls) environment() bool { return p.Proxy.used() || p.Certificates != "" }

// addPulls adds the renderers of the files that decide how images are pulled, and
// returns the names of those that must not be shown.
func addPulls(renderers map[string]func() (string, error), spec ClusterSpec) (secret []string) {
	pulls, isCRIO := spec.Pulls, spec.Runtime.Name == RuntimeCRIO
	environment, authorities := FileContainerdPulls, FileContainerdAuthorities
	if isCRIO {
		environment, authorities = FileCRIOPulls, FileCRIOAuthorities
	}
	if pulls.environment() {
		renderers[environment] = func() (string, error) { return pullEnvironment(spec), nil }
		if pulls.Proxy.Secret {
			secret = append(secret, environment)
		}
	}
	if pulls.Certificates != "" {
		renderers[authorities] = func() (string, error) { return pulls.Certificates, nil }
	}
	switch {
	case len(pulls.Registries) == 0:
	case isCRIO:
		renderers[FileCRIORegistries] = func() (string, error) { return crioRegistries(pulls.Registries) }
		if pulls.logins() {
			renderers[FileCRIOAuth] = func() (string, error) { return crioAuth(pulls.Registries) }
			secret = append(secret, FileCRIOAuth)
		}
	default:
		renderers[FileContainerdRegistries] = func() (string, error) { return k3sRegistries(pulls.Registries) }
		if pulls.logins() {
			secret = append(secret, FileContainerdRegistries)
		}
	}
	return secret
}

// certificateDirectories are those that Go's programs read on Linux, besides a file.
// Those of ConfigDirectory that hold no certificate are passed over.
//
// Source: https://pkg.go.dev/crypto/x509#SystemCertPool and crypto/x509/root_unix.go
// (loadSystemRoots).
const certificateDirectories = "/etc/ssl/certs:/etc/pki/tls/certs:" + ConfigDirectory

// pullEnvironment renders the variables that make a container runtime use the proxies
// and trust the authorities. The runtime's own spans, and what is inside the cluster,
// never go through a proxy.
//
// Source: https://pkg.go.dev/golang.org/x/net/http/httpproxy.
func pullEnvironment(spec ClusterSpec) string {
	var text strings.Builder
	set := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&text, "%s='%s'\n", name, value)
		}
	}
	if proxy := spec.Pulls.Proxy; proxy.used() {
		set("HTTP_PROXY", proxy.HTTP)
		set("HTTPS_PROXY", proxy.HTTPS)
		set("NO_PROXY", strings.Join(slices.Concat(spec.direct(), proxy.Except), ","))
	}
	if spec.Pulls.Certificates != "" {
		set("SSL_CERT_DIR", certificateDirectories)
	}
	return text.String()
}

// direct lists what is never reached through a proxy: the node itself, everything of
// the stack on its network, and the cluster's pods and services.
func (s ClusterSpec) direct() []string {
	direct := []string{"localhost", "127.0.0.0/8", "::1", s.Subnet.String()}
	for _, network := range clusterNetworks {
		direct = append(direct, network.String())
	}
	direct = append(direct, ".svc", ".cluster.local", CollectorAlias, JaegerAlias, HostAlias)
	return append(direct, s.NodeNames()...)
}

// dockerHub is the name of Docker Hub's images, and dockerHubHost the host that has
// them: logins at containerd are looked up by it.
//
// Source: github.com/containerd/containerd v2.3.4 core/remotes/docker/registry.go
// (DefaultHost) and internal/cri/server/images/image_pull.go (registryHosts).
const (
	dockerHub     = "docker.io"
	dockerHubHost = "registry-1.docker.io"
)

// k3sRegistry is the part of k3s' registries.yaml that this package sets. Its rewrite is
// left out: only k3s' own containerd knows it. A path in an endpoint does the same.
//
// Sources: https://docs.k3s.io/installation/private-registry; k3s
// pkg/agent/containerd/config.go and pkg/agent/templates (HostsTomlTemplate).
type k3sRegistry struct {
	Mirrors map[string]k3sMirror         `json:"mirrors,omitempty"`
	Configs map[string]k3sRegistryConfig `json:"configs,omitempty"`
}

type k3sMirror struct {
	Endpoint []string `json:"endpoint"`
}

type k3sRegistryConfig struct {
	Auth *k3sRegistryAuth `json:"auth,omitempty"`
	TLS  *k3sRegistryTLS  `json:"tls,omitempty"`
}

type k3sRegistryAuth struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

type k3sRegistryTLS struct {
	InsecureSkipVerify bool `json:"insecure_skip_verify"`
}

// k3sRegistries renders the file from which k3s configures containerd.
func k3sRegistries(registries []Registry) (string, error) {
	file := k3sRegistry{Mirrors: map[string]k3sMirror{}, Configs: map[string]k3sRegistryConfig{}}
	for _, registry := range registries {
		if len(registry.Mirrors) > 0 {
			mirror := k3sMirror{}
			for _, text := range registry.Mirrors {
				endpoint, err := url.Parse(text)
				if err != nil {
					return "", fmt.Errorf("mirror of %s: %w", registry.Name, err)
				}
				if path := strings.Trim(endpoint.Path, "/"); path != "" {
					// With a path, it is the whole base of the registry's API.
					endpoint.Path = "/v2/" + path
				} else {
					endpoint.Path = ""
				}
				mirror.Endpoint = append(mirror.Endpoint, endpoint.String())
			}
			file.Mirrors[registry.Name] = mirror
		}
		var config k3sRegistryConfig
		if registry.Username != "" {
			config.Auth = &k3sRegistryAuth{registry.Username, registry.Password}
		}
		if registry.Insecure {
			config.TLS = &k3sRegistryTLS{InsecureSkipVerify: true}
		}
		if config != (k3sRegistryConfig{}) {
			host := registry.Name
			if host == dockerHub {
				host = dockerHubHost
			}
			file.Configs[host] = config
		}
	}
	return encode("registries of k3s", file)
}

// crioRegistryFile is the part of a registries.conf, version 2, that this package sets.
//
// Source: github.com/containers/image docs/containers-registries.conf.5.md.
type crioRegistryFile struct {
	Registries []crioRegistry `toml:"registry"`
}

type crioRegistry struct {
	Location string       `toml:"location"`
	Insecure bool         `toml:"insecure"`
	Mirrors  []crioMirror `toml:"mirror,omitempty"`
}

type crioMirror struct {
	Location string `toml:"location"`
	Insecure bool   `toml:"insecure"`
}

// crioRegistries renders the registries of CRI-O.
func crioRegistries(registries []Registry) (string, error) {
	insecure := map[string]bool{}
	for _, registry := range registries {
		insecure[registry.Name] = registry.Insecure
	}
	var file crioRegistryFile
	for _, registry := range registries {
		entry := crioRegistry{Location: registry.Name, Insecure: registry.Insecure}
		for _, text := range registry.Mirrors {
			mirror, err := url.Parse(text)
			if err != nil {
				return "", fmt.Errorf("mirror of %s: %w", registry.Name, err)
			}
			entry.Mirrors = append(entry.Mirrors, crioMirror{
				Location: strings.TrimSuffix(mirror.Host+"/"+strings.Trim(mirror.Path, "/"), "/"),
				// Without TLS, too.
				Insecure: mirror.Scheme == "http" || insecure[mirror.Host],
			})
		}
		file.Registries = append(file.Registries, entry)
	}
	var text strings.Builder
	encoder := toml.NewEncoder(&text)
	encoder.Indent = ""
	if err := encoder.Encode(file); err != nil {
		return "", fmt.Errorf("encode registries of CRI-O: %w", err)
	}
	return text.String(), nil
}

// crioAuth renders the logins of CRI-O.
//
// Source: github.com/containers/image docs/containers-auth.json.5.md.
func crioAuth(registries []Registry) (string, error) {
	type login struct {
		Auth string `json:"auth"`
	}
	logins := map[string]login{}
	for _, registry := range registries {
		if registry.Username != "" {
			logins[registry.Name] = login{base64.StdEncoding.EncodeToString([]byte(registry.Username + ":" + registry.Password))}
		}
	}
	text, err := json.Marshal(map[string]any{"auths": logins})
	if err != nil {
		return "", fmt.Errorf("encode logins of CRI-O: %w", err)
	}
	return string(text) + "\n", nil
}
