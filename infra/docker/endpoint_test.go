package docker_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

// environment returns a function that reads variables.
func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func TestClient_Endpoint(t *testing.T) {
	t.Parallel()
	const (
		allFiles = `"TLSMaterial":{"docker":["ca.pem","cert.pem","key.pem"]}`
		none     = `"TLSMaterial":{}`
		stored   = `"Storage":{"MetadataPath":"/c/meta/1","TLSPath":"/c/tls/1"}`
		memory   = `"Storage":{"MetadataPath":"\u003cIN MEMORY\u003e","TLSPath":"\u003cIN MEMORY\u003e"}`
	)
	inspected := func(name, endpoint, material, storage string) string {
		return `[{"Name":"` + name + `","Metadata":{},"Endpoints":{"docker":` + endpoint + `},` + material + `,` + storage + `}]`
	}
	tests := map[string]struct {
		inspected   string
		environment map[string]string
		want        docker.Endpoint
		remote      bool
		variables   []string
	}{
		"the default": {
			inspected("default", `{"Host":"unix:///var/run/docker.sock","SkipTLSVerify":false}`, none, memory),
			map[string]string{"DOCKER_CERT_PATH": "/left/over"},
			docker.Endpoint{Context: "default", Host: "unix:///var/run/docker.sock"},
			false,
			[]string{
				"DOCKER_CA_MATERIAL=", "DOCKER_CERT_MATERIAL=", "DOCKER_CERT_PATH=", "DOCKER_CONTEXT=", "DOCKER_HOST=unix:///var/run/docker.sock",
				"DOCKER_KEY_MATERIAL=", "DOCKER_TLS=", "DOCKER_TLS_VERIFY=",
			},
		},
		"a context without an address": {
			inspected("empty", `{"SkipTLSVerify":false}`, none, stored), nil,
			docker.Endpoint{Context: "empty", Host: "unix:///var/run/docker.sock"},
			false, nil,
		},
		"a socket": {
			inspected("colima", `{"Host":"unix:///home/me/.colima/default/docker.sock"}`, none, stored), nil,
			docker.Endpoint{Context: "colima", Host: "unix:///home/me/.colima/default/docker.sock"},
			false, nil,
		},
		"a pipe": {
			inspected("desktop", `{"Host":"npipe:////./pipe/docker_engine"}`, none, stored), nil,
			docker.Endpoint{Context: "desktop", Host: "npipe:////./pipe/docker_engine"},
			false, nil,
		},
		"SSH": {
			inspected("build", `{"Host":"ssh://me@build.example","SkipTLSVerify":true}`, none, stored), nil,
			docker.Endpoint{Context: "build", Host: "ssh://me@build.example"},
			true, nil,
		},
		"TCP": {
			inspected("build", `{"Host":"tcp://build.example:2375"}`, none, stored), nil,
			docker.Endpoint{Context: "build", Host: "tcp://build.example:2375"},
			true, nil,
		},
		"TCP with a context's certificates": {
			inspected("build", `{"Host":"tcp://build.example:2376"}`, allFiles, stored), nil,
			docker.Endpoint{Context: "build", Host: "tcp://build.example:2376", CertPath: "/c/tls/1/docker"},
			true,
			[]string{
				"DOCKER_CA_MATERIAL=", "DOCKER_CERT_MATERIAL=", "DOCKER_CERT_PATH=/c/tls/1/docker", "DOCKER_CONTEXT=", "DOCKER_HOST=tcp://build.example:2376",
				"DOCKER_KEY_MATERIAL=", "DOCKER_TLS=", "DOCKER_TLS_VERIFY=1",
			},
		},
		"TCP without verification": {
			inspected("build", `{"Host":"tcp://build.example:2376","SkipTLSVerify":true}`, allFiles, stored), nil,
			docker.Endpoint{Context: "build", Host: "tcp://build.example:2376", CertPath: "/c/tls/1/docker", SkipVerify: true},
			true,
			[]string{
				"DOCKER_CA_MATERIAL=", "DOCKER_CERT_MATERIAL=", "DOCKER_CERT_PATH=/c/tls/1/docker", "DOCKER_CONTEXT=", "DOCKER_HOST=tcp://build.example:2376",
				"DOCKER_KEY_MATERIAL=", "DOCKER_TLS=1", "DOCKER_TLS_VERIFY=",
			},
		},
		"DOCKER_CERT_PATH": {
			inspected("default", `{"Host":"tcp://build.example:2376"}`, allFiles, memory),
			map[string]string{"DOCKER_CERT_PATH": "/certificates", "DOCKER_CONFIG": "/config"},
			docker.Endpoint{Context: "default", Host: "tcp://build.example:2376", CertPath: "/certificates"},
			true, nil,
		},
		"certificates beside docker's configuration": {
			inspected("default", `{"Host":"tcp://build.example:2376"}`, allFiles, memory),
			map[string]string{"DOCKER_CERT_PATH": "", "DOCKER_CONFIG": "/config"},
			docker.Endpoint{Context: "default", Host: "tcp://build.example:2376", CertPath: "/config"},
			true, nil,
		},
		"certificates in the user's folder": {
			inspected("default", `{"Host":"tcp://build.example:2376"}`, allFiles, memory),
			map[string]string{"HOME": "/home/me"},
			docker.Endpoint{Context: "default", Host: "tcp://build.example:2376", CertPath: "/home/me/.docker"},
			true, nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runner := dockertest.New(t)
			runner.On(dockertest.Command("docker context inspect"), dockertest.Print(test.inspected))
			got, err := runner.Client().Endpoint(t.Context(), environment(test.environment))
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.remote, got.Remote())
			if test.variables != nil {
				assert.Equal(t, test.variables, got.Environment())
			}
		})
	}
	for name, test := range map[string]struct{ inspected, message string }{
		"no endpoint": {
			`[{"Name":"k8s","Endpoints":{"kubernetes":{}}}]`,
			"the Docker context \"k8s\" has no address of a Docker daemon: choose another one with `docker context use` or DOCKER_CONTEXT; `docker context ls` lists them",
		},
		"certificates without a key": {
			inspected("build", `{"Host":"tcp://build.example:2376"}`, `"TLSMaterial":{"docker":["ca.pem"]}`, stored),
			`the certificates of the Docker context "build" for tcp://build.example:2376 lack cert.pem and key.pem, and Pulumi's Docker provider connects with TLS only if it has ` +
				"ca.pem, cert.pem, key.pem: add them, or connect over SSH",
		},
		"TLS without certificates": {
			inspected("default", `{"Host":"tcp://build.example:2376","SkipTLSVerify":true}`, none, memory),
			"the certificates of the docker command for tcp://build.example:2376 lack ca.pem and cert.pem and key.pem, and Pulumi's Docker provider connects with TLS only if it has " +
				"ca.pem, cert.pem, key.pem: add them, or connect over SSH",
		},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			runner := dockertest.New(t)
			runner.On(dockertest.Command("docker context inspect"), dockertest.Print(test.inspected))
			_, err := runner.Client().Endpoint(t.Context(), environment(nil))
			require.ErrorIs(t, err, docker.ErrContext)
			require.EqualError(t, err, test.message)
		})
	}
	t.Run("fails when docker describes no context", func(t *testing.T) {
		t.Parallel()
		runner := dockertest.New(t)
		runner.On(dockertest.Command("docker context inspect"), dockertest.Print("[]"))
		_, err := runner.Client().Endpoint(t.Context(), environment(nil))
		require.EqualError(t, err, "docker context inspect: it describes 0 contexts")
	})
}

func TestClient_CheckProvider(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	link := filepath.Join(folder, "link.sock")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "docker.sock"), nil, 0o600))
	require.NoError(t, os.Symlink("docker.sock", link))
	linked := "unix://" + filepath.Join(folder, "docker.sock")
	const (
		colima = "unix:///home/me/.colima/default/docker.sock"
		local  = "unix:///var/run/docker.sock"
		remote = "tcp://build.example:2376"
		first  = `{"ID":"A","Name":"host","DockerRootDir":"/var/lib/docker"}`
		second = `{"ID":"A","Name":"host","DockerRootDir":"/tmp/docker"}`
		silent = `{"ID":"","ServerErrors":["Cannot connect to the Docker daemon"]}`
	)
	tests := map[string]struct {
		endpoint docker.Endpoint
		provider docker.Provider
		// daemons are the answers to docker info at addresses; "" is docker's own.
		daemons map[string]string
		want    string
	}{
		"both by default":              {docker.Endpoint{Context: "default", Host: local}, docker.Provider{}, nil, ""},
		"both by DOCKER_HOST":          {docker.Endpoint{Context: "default", Host: colima}, docker.Provider{Getenv: environment(map[string]string{"DOCKER_HOST": colima})}, nil, ""},
		"one socket with two names":    {docker.Endpoint{Context: "desktop", Host: linked}, docker.Provider{Host: "unix://" + link}, nil, ""},
		"one daemon at two addresses":  {docker.Endpoint{Context: "tcp", Host: "tcp://127.0.0.1:2375"}, docker.Provider{}, map[string]string{"": first, local: first}, ""},
		"one daemon at a fallback":     {docker.Endpoint{Context: "desktop", Host: "unix:///home/me/.docker/run/docker.sock"}, docker.Provider{Getenv: environment(map[string]string{"HOME": "/home/me"})}, map[string]string{"": first, local: silent, "unix:///home/me/.docker/run/docker.sock": first}, ""},
		"certificates of DOCKER_HOST":  {docker.Endpoint{Context: "default", Host: remote, CertPath: "/c"}, docker.Provider{Getenv: environment(map[string]string{"DOCKER_HOST": remote, "DOCKER_CERT_PATH": "/c", "DOCKER_TLS_VERIFY": "1"})}, nil, ""},
		"variables of the environment": {docker.Endpoint{Context: "default", Host: local}, docker.Provider{Getenv: environment(map[string]string{"DOCKER_HOST": local, "DOCKER_CONTEXT": "", "DOCKER_CERT_PATH": ""})}, nil, ""},
		"a context that docker context use chose": {
			docker.Endpoint{Context: "colima", Host: colima},
			docker.Provider{},
			map[string]string{"": second, local: first},
			"Pulumi's Docker provider would connect to unix:///var/run/docker.sock (its default), but the Docker context \"colima\" connects to " + colima +
				": run `make up`, which passes the right one on, or first `export DOCKER_HOST=" + colima + "`",
		},
		"a context where nothing answers at the default": {
			docker.Endpoint{Context: "colima", Host: colima},
			docker.Provider{},
			map[string]string{"": first},
			"Pulumi's Docker provider would connect to unix:///var/run/docker.sock (its default), but the Docker context \"colima\" connects to " + colima +
				": run `make up`, which passes the right one on, or first `export DOCKER_HOST=" + colima + "`",
		},
		"DOCKER_CONTEXT": {
			docker.Endpoint{Context: "build", Host: remote, CertPath: "/c/docker"},
			docker.Provider{Getenv: environment(map[string]string{"DOCKER_CONTEXT": "build"})},
			nil,
			"Pulumi's Docker provider would connect to the context \"build\" without its certificates (DOCKER_CONTEXT), but the Docker context \"build\" connects to " + remote +
				": run `make up`, which passes the right one on, or first `export DOCKER_CERT_PATH=/c/docker DOCKER_CONTEXT= DOCKER_HOST=" + remote + " DOCKER_TLS_VERIFY=1`",
		},
		"certificates that only docker finds": {
			docker.Endpoint{Context: "default", Host: remote, CertPath: "/home/me/.docker"},
			docker.Provider{Getenv: environment(map[string]string{"DOCKER_HOST": remote, "DOCKER_TLS_VERIFY": "1"})},
			nil,
			"Pulumi's Docker provider would connect to " + remote + " without certificates (DOCKER_CERT_PATH is not set), but the docker command connects to " + remote +
				": run `make up`, which passes the right one on, or first `export DOCKER_CERT_PATH=/home/me/.docker`",
		},
		"certificates that only the provider reads": {
			docker.Endpoint{Context: "default", Host: local},
			docker.Provider{Getenv: environment(map[string]string{"DOCKER_CERT_PATH": "/c"})},
			nil,
			"Pulumi's Docker provider would connect to " + local + " with the certificates in /c (DOCKER_CERT_PATH), but the docker command connects to " + local +
				": run `make up`, which passes the right one on, or first `export DOCKER_CERT_PATH= DOCKER_HOST=" + local + "`",
		},
		"the setting docker:host": {
			docker.Endpoint{Context: "default", Host: local},
			docker.Provider{Host: remote, Getenv: environment(map[string]string{"DOCKER_HOST": local})},
			map[string]string{"": first, remote: second},
			"Pulumi's Docker provider would connect to " + remote + " (docker:host), but the docker command connects to " + local + ": remove docker:host and docker:context from the stack's file",
		},
		"the setting docker:context": {
			docker.Endpoint{Context: "default", Host: local},
			docker.Provider{Context: "build"},
			nil,
			"Pulumi's Docker provider would connect to the context \"build\" without its certificates (docker:context), but the docker command connects to " + local +
				": remove docker:host and docker:context from the stack's file",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runner := dockertest.New(t)
			runner.On(dockertest.Command("docker --host "+dockertest.Rest), dockertest.Fail("Cannot connect to the Docker daemon"))
			for host, answer := range test.daemons {
				argv := []string{"docker", "info", "--format", "{{json .}}"}
				if host != "" {
					argv = []string{"docker", "--host", host, "info", "--format", "{{json .}}"}
				}
				runner.On(argv, dockertest.Print(answer))
			}
			if test.provider.Getenv == nil {
				test.provider.Getenv = environment(nil)
			}
			err := runner.Client().CheckProvider(t.Context(), test.endpoint, test.provider)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, docker.ErrContext)
			require.EqualError(t, err, test.want)
		})
	}
}
