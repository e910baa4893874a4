package lifecycle_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

func TestManager_WaitHealthy(t *testing.T) {
	jaeger := spec.Container{Container: "traced-jaeger", Title: "Jaeger", Timeout: verify.Duration(25 * time.Second)}
	checks := func(number, code int, output string) []docker.HealthCheck {
		all := make([]docker.HealthCheck, number)
		for i := range all {
			all[i] = docker.HealthCheck{ExitCode: code, Output: output}
		}
		return all
	}
	// An error, its stack trace, and so many lines after it that it is none of the last.
	const log = "ERROR: wrong password\n\tat org.elasticsearch.Node.start(Node.java:1)\n\t... 12 more\n1\n2\n3\n4\n5\n"
	const shown = ". The end of its log:\nERROR: wrong password\n2\n3\n4\n5"
	waiting := []string{"kubetracing: waiting for Jaeger to be healthy, 10s", "kubetracing: waiting for Jaeger to be healthy, 20s"}
	tests := map[string]struct {
		state    docker.State
		timeout  time.Duration
		message  string
		progress []string
	}{
		"returns at once for a healthy one": {state: docker.State{Status: "running", Health: "healthy"}},
		"shows errors and the end of the log without stack traces at the deadline": {
			state:    docker.State{Status: "running", Health: "starting"},
			message:  "Jaeger (traced-jaeger) is not healthy after 25s" + shown,
			progress: waiting,
		},
		"shows why the health check fails, which is in no log": {
			state:    docker.State{Status: "running", Health: "unhealthy", HealthLog: checks(2, 127, "wget: not found\n")},
			message:  "Jaeger (traced-jaeger) is not healthy after 25s; its health check ends with exit code 127: wget: not found" + shown,
			progress: waiting,
		},
		"shows what the last health checks printed": {
			state: docker.State{Status: "running", Health: "starting", HealthLog: []docker.HealthCheck{
				{ExitCode: 1, Output: "wget: can't connect to remote host: Connection refused\n"},
				{ExitCode: 1, Output: "wget: can't connect to remote host: Connection refused\n"},
				{ExitCode: -1, Output: "Health check exceeded timeout (3s)"},
				{ExitCode: 1},
			}},
			message: "Jaeger (traced-jaeger) is not healthy after 25s; its health check ends with exit code 1: wget: can't connect to remote host: Connection refused, " +
				"then with exit code -1: Health check exceeded timeout (3s), then with exit code 1" + shown,
			progress: waiting,
		},
		"does not go on for one whose image lacks the program of its health check": {
			state: docker.State{Status: "running", Health: "starting", HealthLog: checks(1, -1,
				`OCI runtime exec failed: exec failed: unable to start container process: exec: "wget": executable file not found in $PATH: unknown`)},
			message: "Jaeger (traced-jaeger) has no wget, which its health check runs: use an image that has it; its health check ends with exit code -1: " +
				`OCI runtime exec failed: exec failed: unable to start container process: exec: "wget": executable file not found in $PATH: unknown` + shown,
		},
		"does not go on for one whose image lacks a program with a path": {
			state: docker.State{Status: "running", Health: "starting", HealthLog: checks(2, -1,
				`OCI runtime exec failed: exec failed: unable to start container process: exec: "/bin/check": stat /bin/check: no such file or directory: unknown`)},
			message: "Jaeger (traced-jaeger) has no /bin/check, which its health check runs: use an image that has it; its health check ends with exit code -1: " +
				`OCI runtime exec failed: exec failed: unable to start container process: exec: "/bin/check": stat /bin/check: no such file or directory: unknown` + shown,
		},
		"does not go on for one that keeps restarting": {
			state: docker.State{Status: "restarting", ExitCode: 2}, message: "Jaeger (traced-jaeger) keeps restarting (exit code 2)" + shown,
		},
		"does not go on for one that has exited": {
			state: docker.State{Status: "exited", ExitCode: 3}, message: "Jaeger (traced-jaeger) has exited with code 3" + shown,
		},
		"names a lack of memory": {
			state:   docker.State{Status: "restarting", OOMKilled: true},
			message: "Jaeger (traced-jaeger) was killed because it needs more memory than it may use" + shown,
		},
		"does not go on for one that has refused the password for 30 s": {
			state: docker.State{Status: "running", Health: "starting", HealthLog: checks(5, 1, "401")}, timeout: 5 * time.Minute,
			message:  "Jaeger (traced-jaeger) refuses its password: its volume was initialized with another one, see docs/storage.md" + shown,
			progress: append(waiting, "kubetracing: waiting for Jaeger to be healthy, 30s"),
		},
		"goes on for one that refuses the password at first": {
			state:    docker.State{Status: "running", Health: "starting", HealthLog: append(checks(2, 1, "503"), checks(3, 1, "401")...)},
			message:  "Jaeger (traced-jaeger) is not healthy after 25s; its health check ends with exit code 1: 503, then with exit code 1: 401" + shown,
			progress: waiting,
		},
	}
	for name, test := range tests {
		inBubble(t, name, func(t *testing.T, h *host) {
			document := jaeger
			if test.timeout > 0 {
				document.Timeout = verify.Duration(test.timeout)
			}
			h.world.Set(docker.Container{Name: "traced-jaeger", State: test.state})
			h.On(dockertest.Command("docker logs --tail 500 traced-jaeger"), dockertest.Print(log))
			err := h.manager().WaitHealthy(t.Context(), document)
			if test.message == "" {
				require.NoError(t, err)
				assert.Empty(t, h.stderr.String())
				return
			}
			require.EqualError(t, err, test.message)
			if test.progress == nil {
				assert.Empty(t, h.stderr.String())
				return
			}
			requireLines(t, test.progress, h.stderr.String())
		})
	}

	inBubble(t, "requests a URL from another container where there is no health check", func(t *testing.T, h *host) {
		const probe = "docker exec traced-jaeger wget -q -O /dev/null http://otel-collector:13133/"
		h.world.Set(docker.Container{Name: "traced-collector", State: docker.State{Status: "running"}})
		h.On(dockertest.Command(probe), dockertest.Fail("refused"), dockertest.Answer{Hang: true}, dockertest.Answer{})
		document := spec.Container{
			Container: "traced-collector", Title: "the Collector", Timeout: verify.Duration(time.Minute),
			HealthURL: "http://otel-collector:13133/", Probe: "traced-jaeger",
		}
		require.NoError(t, h.manager().WaitHealthy(t.Context(), document))
		assert.Equal(t, []string{probe, probe, probe}, h.Lines("docker", "exec"))
		requireLines(t, []string{"kubetracing: waiting for the Collector to be healthy, 10s"}, h.stderr.String())
	})

	inBubble(t, "shows why a URL cannot be requested", func(t *testing.T, h *host) {
		h.world.Set(docker.Container{Name: "traced-collector", State: docker.State{Status: "running"}})
		h.On(dockertest.Command("docker exec "+dockertest.Rest), dockertest.Fail("wget: server returned error: HTTP/1.1 503 Service Unavailable\n"))
		h.On(dockertest.Command("docker logs "+dockertest.Rest), dockertest.Answer{})
		document := spec.Container{
			Container: "traced-collector", Title: "the Collector", Timeout: verify.Duration(time.Second),
			HealthURL: "http://otel-collector:13133/", Probe: "traced-jaeger",
		}
		require.EqualError(t, h.manager().WaitHealthy(t.Context(), document), "the Collector (traced-collector) is not healthy after 1s; "+
			"http://otel-collector:13133/ from traced-jaeger: wget: server returned error: HTTP/1.1 503 Service Unavailable")
	})

	inBubble(t, "does not wait for one that is gone", func(t *testing.T, h *host) {
		require.ErrorIs(t, h.manager().WaitHealthy(t.Context(), jaeger), docker.ErrNotFound)
		assert.Empty(t, h.stderr.String())
	})

	inBubble(t, "ends with its context", func(t *testing.T, h *host) {
		h.world.Set(docker.Container{Name: "traced-jaeger", State: docker.State{Status: "running", Health: "starting"}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, h.manager().WaitHealthy(ctx, jaeger), context.DeadlineExceeded)
		assert.Empty(t, h.Lines("docker", "logs"))
	})
}
