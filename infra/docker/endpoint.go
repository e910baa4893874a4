package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Variables by which programs find a Docker daemon.
//
// Sources: github.com/docker/docker client/envvars.go; github.com/docker/cli cli/command/
// defaultcontextstore.go (DOCKER_CONTEXT), cli/flags/options.go (DOCKER_TLS) and
// cli/config/config.go (DOCKER_CONFIG); github.com/pulumi/pulumi-docker/v4@v4.11.2
// provider/provider.go (the material of certificates).
const (
	hostVariable      = "DOCKER_HOST"
	contextVariable   = "DOCKER_CONTEXT"
	certPathVariable  = "DOCKER_CERT_PATH"
	tlsVariable       = "DOCKER_TLS"
	tlsVerifyVariable = "DOCKER_TLS_VERIFY"
	configVariable    = "DOCKER_CONFIG"
)

// materialVariables hold certificates themselves. Only Pulumi's provider reads them.
var materialVariables = []string{"DOCKER_CA_MATERIAL", "DOCKER_CERT_MATERIAL", "DOCKER_KEY_MATERIAL"}

// defaultHost is the address of a context that has none.
//
// Source: github.com/docker/docker client/client_unix.go (DefaultDockerHost).
const defaultHost = "unix:///var/run/docker.sock"

// defaultContext is the name of the context that the environment describes.
const defaultContext = "default"

// Endpoint is a Docker daemon as the docker command finds it: by DOCKER_HOST, else
// DOCKER_CONTEXT, else the context that `docker context use` chose, else the default.
type Endpoint struct {
	// Context is the name of the context; default where DOCKER_HOST or nothing decides.
	Context string
	// Host is the address, as unix:///var/run/docker.sock.
	Host string
	// CertPath is the folder of ca.pem, cert.pem and key.pem; empty without TLS.
	CertPath string
	// SkipVerify reports whether the daemon's certificate is not verified.
	SkipVerify bool
}

// Remote reports whether the daemon may be another machine's. Its published ports are
// then not those of this one.
func (e Endpoint) Remote() bool {
	return !strings.HasPrefix(e.Host, "unix://") && !strings.HasPrefix(e.Host, "npipe://")
}

// Environment returns NAME=VALUE variables, sorted, that lead every program to the
// daemon: also Pulumi's provider, which does not know which context was chosen, gives
// DOCKER_CONTEXT precedence over DOCKER_HOST, takes the addresses of contexts without
// their certificates, and connects with TLS wherever DOCKER_CERT_PATH is set.
//
// Source: github.com/pulumi/pulumi-docker/v4@v4.11.2 provider/image.go
// (configureDockerClientInner) and upstream internal/provider/{provider,config}.go.
func (e Endpoint) Environment() []string {
	values := map[string]string{
		hostVariable: e.Host, contextVariable: "", certPathVariable: e.CertPath, tlsVariable: "", tlsVerifyVariable: "",
	}
	switch {
	case e.CertPath == "":
	case e.SkipVerify:
		values[tlsVariable] = "1"
	default:
		values[tlsVerifyVariable] = "1"
	}
	for _, name := range materialVariables {
		values[name] = ""
	}
	environment := make([]string, 0, len(values))
	for name, value := range values {
		environment = append(environment, name+"="+value)
	}
	slices.Sort(environment)
	return environment
}

// Choice names what leads to the daemon, as `the Docker context "colima"`.
func (e Endpoint) Choice() string {
	if e.Context == defaultContext {
		return "the docker command"
	}
	return fmt.Sprintf("the Docker context %q", e.Context)
}

// inspectedContext is the part of docker context inspect that is read.
//
// Source: github.com/docker/cli cli/command/context/inspect.go (contextWithTLSListing).
type inspectedContext struct {
	Name      string `json:"Name"`
	Endpoints map[string]struct {
		Host          string `json:"Host"`
		SkipTLSVerify bool   `json:"SkipTLSVerify"`
	} `json:"Endpoints"`
	TLSMaterial map[string][]string `json:"TLSMaterial"`
	Storage     struct {
		TLSPath string `json:"TLSPath"`
	} `json:"Storage"`
}

// endpointName is the name of a context's endpoint for Docker, and of the folder of its
// certificates.
//
// Source: github.com/docker/cli cli/context/docker/constants.go and cli/context/store/
// tlsstore.go.
const endpointName = "docker"

// certificates are the files that Pulumi's provider reads, all of them, in this order.
//
// Source: github.com/pulumi/pulumi-docker/v4@v4.11.2 provider/image.go.
var certificates = []string{"ca.pem", "cert.pem", "key.pem"}

// Endpoint returns the daemon that docker connects to. getenv reads the environment. It
// is an error that is [ErrContext] if there is no such context, if it cannot be read, or
// if not every program could connect as it says.
func (c *Client) Endpoint(ctx context.Context, getenv func(string) string) (Endpoint, error) {
	result, err := c.query(ctx, "context", "inspect")
	if err != nil {
		return Endpoint{}, err
	}
	var contexts []inspectedContext
	if err := json.Unmarshal([]byte(result.Stdout), &contexts); err != nil {
		return Endpoint{}, fmt.Errorf("docker context inspect: read JSON: %w", err)
	}
	if len(contexts) != 1 {
		return Endpoint{}, fmt.Errorf("docker context inspect: it describes %d contexts", len(contexts))
	}
	return contexts[0].endpoint(getenv)
}

func (i inspectedContext) endpoint(getenv func(string) string) (Endpoint, error) {
	docker, has := i.Endpoints[endpointName]
	if !has {
		return Endpoint{}, failure{ErrContext, fmt.Sprintf("the Docker context %q has no address of a Docker daemon: %s", i.Name, chooseContext), nil}
	}
	endpoint := Endpoint{Context: i.Name, Host: docker.Host}
	if endpoint.Host == "" {
		endpoint.Host = defaultHost
	}
	// TLS is for TCP only: a socket and SSH need none.
	//
	// Source: github.com/docker/cli cli/context/docker/load.go (ClientOpts).
	if !strings.HasPrefix(endpoint.Host, "tcp://") {
		return endpoint, nil
	}
	files := i.TLSMaterial[endpointName]
	if len(files) == 0 && !docker.SkipTLSVerify {
		return endpoint, nil
	}
	endpoint.SkipVerify = docker.SkipTLSVerify
	endpoint.CertPath = filepath.Join(i.Storage.TLSPath, endpointName)
	if i.Name == defaultContext {
		endpoint.CertPath = certificateFolder(getenv)
	}
	var missing []string
	for _, name := range certificates {
		if !slices.Contains(files, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return Endpoint{}, failure{ErrContext, fmt.Sprintf("the certificates of %s for %s lack %s, and Pulumi's Docker provider connects with TLS only if it has %s: "+
			"add them, or connect over SSH", endpoint.Choice(), endpoint.Host, strings.Join(missing, " and "), strings.Join(certificates, ", ")), nil}
	}
	return endpoint, nil
}

// certificateFolder returns where docker looks for certificates without a context.
//
// Source: github.com/docker/cli cli/flags/options.go (InstallFlags).
func certificateFolder(getenv func(string) string) string {
	if folder := getenv(certPathVariable); folder != "" {
		return folder
	}
	return configFolder(getenv)
}

// configFolder returns the folder of docker's configuration.
//
// Source: github.com/docker/cli cli/config/config.go (Dir).
func configFolder(getenv func(string) string) string {
	if folder := getenv(configVariable); folder != "" {
		return folder
	}
	return filepath.Join(getenv("HOME"), ".docker")
}

// Provider is what decides to which daemon Pulumi's Docker provider connects.
type Provider struct {
	// Host and Context are its settings docker:host and docker:context. Optional.
	Host, Context string
	// Getenv reads the environment, which counts where a setting is empty.
	Getenv func(string) string
}

// fallbackHosts are where the provider looks, below the user's folder, when nothing
// answers at the default address and nothing else was chosen.
//
// Source: github.com/pulumi/pulumi-docker/v4@v4.11.2 provider/image.go
// (configureDockerClient).
var fallbackHosts = []string{".docker/run/docker.sock", ".docker/desktop/docker.sock"}

// hosts returns the addresses that the provider tries, and what chose them.
func (p Provider) hosts() (hosts []string, chosenBy string) {
	if p.Host != "" {
		return []string{p.Host}, "docker:host"
	}
	if host := p.Getenv(hostVariable); host != "" {
		return []string{host}, hostVariable
	}
	hosts = []string{defaultHost}
	for _, path := range fallbackHosts {
		hosts = append(hosts, "unix://"+filepath.Join(p.Getenv("HOME"), path))
	}
	return hosts, "its default"
}

// CheckProvider returns an error unless Pulumi's Docker provider connects to the daemon
// that docker connects to, as it does where the variables of [Endpoint.Environment] are
// set. By itself the provider does not know which context was chosen.
func (c *Client) CheckProvider(ctx context.Context, endpoint Endpoint, provider Provider) error {
	hosts, chosenBy := provider.hosts()
	different := func(what, chosenBy string) error {
		return failure{ErrContext, fmt.Sprintf("Pulumi's Docker provider would connect to %s (%s), but %s connects to %s: %s",
			what, chosenBy, endpoint.Choice(), endpoint.Host, provider.advice(endpoint)), nil}
	}
	if provider.Context != "" {
		return different(fmt.Sprintf("the context %q without its certificates", provider.Context), "docker:context")
	}
	if name := provider.Getenv(contextVariable); name != "" {
		return different(fmt.Sprintf("the context %q without its certificates", name), contextVariable)
	}
	if folder := provider.Getenv(certPathVariable); folder != endpoint.CertPath {
		if folder == "" {
			return different(hosts[0]+" without certificates", certPathVariable+" is not set")
		}
		return different(hosts[0]+" with the certificates in "+folder, certPathVariable)
	}
	if !c.leadTo(ctx, hosts, endpoint) {
		return different(hosts[0], chosenBy)
	}
	return nil
}

// advice says how to lead the provider to an endpoint.
func (p Provider) advice(endpoint Endpoint) string {
	if p.Host != "" || p.Context != "" {
		return "remove docker:host and docker:context from the stack's file"
	}
	var exports []string
	for _, variable := range endpoint.Environment() {
		if name, value, _ := strings.Cut(variable, "="); p.Getenv(name) != value {
			exports = append(exports, variable)
		}
	}
	return fmt.Sprintf("run `make up`, which passes the right one on, or first `export %s`", strings.Join(exports, " "))
}

// leadTo reports whether the first of several addresses at which a daemon answers is
// that of the endpoint's daemon.
func (c *Client) leadTo(ctx context.Context, hosts []string, endpoint Endpoint) bool {
	if socket(hosts[0]) == socket(endpoint.Host) {
		return true
	}
	own, err := c.identity(ctx)
	if err != nil {
		return false
	}
	for _, host := range hosts {
		if found, err := c.identity(ctx, "--host", host); err == nil {
			return found == own
		}
	}
	return false
}

// socket resolves the links of a socket's path: Docker Desktop has several.
func socket(host string) string {
	path, isSocket := strings.CutPrefix(host, "unix://")
	if !isSocket {
		return host
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	return "unix://" + path
}

// daemonIdentity tells daemons apart. Up to Docker 20.10, two of one machine have the
// same id.
//
// Source: github.com/docker/docker daemon/trustkey.go.
type daemonIdentity struct {
	ID            string `json:"ID"`
	Name          string `json:"Name"`
	DockerRootDir string `json:"DockerRootDir"`
}

// identity asks a daemon who it is. flags choose another daemon than the endpoint's.
func (c *Client) identity(ctx context.Context, flags ...string) (daemonIdentity, error) {
	result, err := c.query(ctx, append(flags, "info", "--format", "{{json .}}")...)
	if err != nil {
		return daemonIdentity{}, err
	}
	var identity daemonIdentity
	if err := json.Unmarshal([]byte(result.Stdout), &identity); err != nil {
		return daemonIdentity{}, fmt.Errorf("docker info: read JSON: %w", err)
	}
	if identity.ID == "" {
		return daemonIdentity{}, failure{ErrUnavailable, "the Docker daemon does not answer", nil}
	}
	return identity, nil
}
