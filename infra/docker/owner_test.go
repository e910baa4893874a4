package docker_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
)

func owned(stack, state string) map[string]string {
	return map[string]string{spec.StackLabel: stack, spec.StateLabel: state}
}

func TestOwner_Owns(t *testing.T) {
	t.Parallel()
	owner := docker.Owner{Stack: "traced/dev", State: "A"}
	assert.True(t, owner.Owns(owned("traced/dev", "A")))
	assert.True(t, owner.Owns(owned("renamed/dev", "A")), "the stack is for people")
	assert.False(t, owner.Owns(owned("traced/dev", "B")))
	assert.False(t, owner.Owns(map[string]string{spec.StackLabel: "traced/dev"}))
	assert.False(t, owner.Owns(nil))
	assert.False(t, docker.Owner{Stack: "traced/dev"}.Owns(owned("traced/dev", "")), "no identity owns nothing")
	assert.True(t, owner.Owns(owner.Labels()))
}

func TestSplit(t *testing.T) {
	t.Parallel()
	ours := docker.Volume{Name: "ours", Labels: owned("traced/dev", "A")}
	stranger := docker.Volume{Name: "stranger", Labels: owned("traced/dev", "B")}
	old := docker.Volume{Name: "old", Labels: map[string]string{spec.StackLabel: "traced/dev"}}
	other := docker.Volume{Name: "other", Labels: owned("other/dev", "C")}
	gotOurs, gotStrangers := docker.Split(docker.Owner{Stack: "traced/dev", State: "A"}, []docker.Volume{other, stranger, ours, old, {Name: "none"}})
	assert.Equal(t, []docker.Volume{ours}, gotOurs)
	assert.Equal(t, []docker.Volume{stranger, old}, gotStrangers)
}

func TestWhose(t *testing.T) {
	t.Parallel()
	for want, labels := range map[string]map[string]string{
		"stack traced/dev with another state (B)":                        owned("traced/dev", "B"),
		"stack traced/dev, created by an earlier version of kubetracing": {spec.StackLabel: "traced/dev"},
		"another state (B)":                {spec.StateLabel: "B"},
		"something other than kubetracing": nil,
	} {
		assert.Equal(t, want, docker.Whose(docker.Image{Labels: labels}))
	}
}

func TestOwner_Cluster(t *testing.T) {
	t.Parallel()
	owner := docker.Owner{Stack: "traced/dev", State: "A"}
	node := func(role, state string) docker.Container {
		labels := map[string]string{"k3d.cluster": "traced", "k3d.role": role}
		if state != "" {
			labels[spec.StateLabel] = state
		}
		return docker.Container{Labels: labels}
	}
	tests := map[string]struct {
		containers []docker.Container
		want       docker.Belonging
	}{
		"nothing":                               {nil, docker.Absent},
		"servers, agents and helpers":           {[]docker.Container{node("noRole", ""), node("server", "A"), node("agent", "A"), node("loadbalancer", "")}, docker.Ours},
		"helpers without a server":              {[]docker.Container{node("loadbalancer", ""), node("noRole", "")}, docker.Foreign},
		"agents without a server":               {[]docker.Container{node("agent", "A")}, docker.Foreign},
		"a server without the label":            {[]docker.Container{node("server", "")}, docker.Foreign},
		"a second server of another state":      {[]docker.Container{node("server", "A"), node("server", "B")}, docker.Foreign},
		"an agent without the label":            {[]docker.Container{node("server", "A"), node("agent", "")}, docker.Foreign},
		"a container that is labelled, no node": {[]docker.Container{node("noRole", "A")}, docker.Foreign},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, owner.Cluster(test.containers))
		})
	}
}
