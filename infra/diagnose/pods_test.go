package diagnose_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/diagnose"
)

func TestNamespace_Pods(t *testing.T) {
	t.Parallel()
	container := func(restarts int, state string) string {
		return fmt.Sprintf(`"containerStatuses":[{"restartCount":%d,"state":%s}]`, restarts, state)
	}
	waits := func(reason, message string) string {
		return fmt.Sprintf(`{"waiting":{"reason":%q,"message":%q}}`, reason, message)
	}
	event := func(kind, reason, message, at string) string {
		return fmt.Sprintf(`{"type":%q,"reason":%q,"message":%q,"involvedObject":{"kind":"Pod","name":"echo"},"lastTimestamp":"2026-01-01T10:00:%sZ"}`, kind, reason, message, at)
	}
	const scheduled = `"conditions":[{"type":"PodScheduled","status":"True"}]`
	tests := map[string]struct {
		status, events string
		want           diagnose.PodState
		reason         string
	}{
		"one that has succeeded": {`"phase":"Succeeded"`, "", diagnose.Started, "its phase is Succeeded"},
		"one that runs": {
			`"phase":"Running",` + container(0, `{"running":{}}`), "", diagnose.Started, "its phase is Running",
		},
		"one that runs again": {
			`"phase":"Running",` + container(3, `{"running":{}}`), "", diagnose.Started, "its phase is Running",
		},
		"one that is new": {`"phase":"Pending"`, "", diagnose.Pending, "its phase is Pending"},
		"one whose image is being pulled": {
			`"phase":"Pending",` + scheduled + "," + container(0, waits("ContainerCreating", "")),
			event("Normal", "Pulling", "Pulling image", "02"), diagnose.Pending, "ContainerCreating",
		},
		"one whose image is being pulled after a volume was not there": {
			`"phase":"Pending",` + container(0, waits("ContainerCreating", "")),
			event("Warning", "FailedMount", "not found", "01") + "," + event("Normal", "Pulling", "Pulling image", "02"),
			diagnose.Pending, "FailedMount: not found",
		},
		"one whose sandbox cannot be created": {
			`"phase":"Pending",` + container(0, waits("ContainerCreating", "")),
			event("Normal", "Scheduled", "assigned", "01") + "," + event("Warning", "FailedCreatePodSandBox", "no network", "02"),
			diagnose.Stuck, "FailedCreatePodSandBox: no network",
		},
		"one that no node takes": {
			`"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/1 nodes are available"}]`, "",
			diagnose.Stuck, "Unschedulable: 0/1 nodes are available",
		},
		"one whose container cannot be created": {
			`"phase":"Pending",` + container(0, waits("CreateContainerError", "container create failed")), "",
			diagnose.Stuck, "CreateContainerError: container create failed",
		},
		"one whose image cannot be pulled": {
			`"phase":"Pending",` + container(0, waits("ImagePullBackOff", `Back-off pulling image "a:1"`)), "",
			diagnose.Stuck, `ImagePullBackOff: Back-off pulling image "a:1"`,
		},
		"one whose init container cannot be started": {
			`"phase":"Pending","initContainerStatuses":[{"state":` + waits("RunContainerError", "no such file") + `}],` +
				container(0, waits("PodInitializing", "")), "",
			diagnose.Stuck, "RunContainerError: no such file",
		},
		"one that ends again and again": {
			`"phase":"Running",` + container(2, waits("CrashLoopBackOff", "back-off 20s")), "",
			diagnose.Restarting, "CrashLoopBackOff: back-off 20s",
		},
		"one whose command does not exist": {
			`"phase":"Running","containerStatuses":[{"restartCount":2,"state":` + waits("CrashLoopBackOff", "back-off 20s") +
				`,"lastState":{"terminated":{"reason":"StartError","exitCode":128}}}]`, "",
			diagnose.Stuck, "CrashLoopBackOff: back-off 20s",
		},
		"one with an image's name that is none": {
			`"phase":"Pending",` + container(0, waits("InvalidImageName", "couldn't parse image name")), "",
			diagnose.Failed, "InvalidImageName: couldn't parse image name",
		},
		"one whose image must not be pulled": {
			`"phase":"Pending",` + container(0, waits("ErrImageNeverPull", "image is not present")), "",
			diagnose.Failed, "ErrImageNeverPull: image is not present",
		},
		"one that has ended with an error": {
			`"phase":"Failed",` + container(0, `{"terminated":{"reason":"Error","exitCode":3}}`), "", diagnose.Failed, "Error (exit code 3)",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			events := test.events
			if events == "" {
				events = `{"type":"Normal"}`
			}
			h.kubernetes("", `{"metadata":{"name":"echo"},"status":{`+test.status+`}}`, events)
			pods, err := diagnose.Namespace{Client: h.Client(), Node: "node", Name: "kubetracing"}.Pods(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []diagnose.Pod{{Name: "echo", State: test.want, Reason: test.reason}}, pods)
		})
	}
}

func TestPod_Describe(t *testing.T) {
	t.Parallel()
	reason := "Failed to pull image: " + strings.Repeat("ä", 1000) + ": it is too long"
	got := diagnose.Pod{Name: "echo", Reason: reason}.Describe()
	assert.True(t, strings.HasPrefix(got, "pod echo does not start: Failed to pull image: "), got)
	assert.True(t, strings.HasSuffix(got, "ä: it is too long"), got)
	assert.Less(t, len([]rune(got)), 450)
	assert.Equal(t, "pod echo does not start: no space left on device; likely cause: the disk of the Docker host is full",
		diagnose.Pod{Name: "echo", Reason: "no space left on device"}.Describe())
}
