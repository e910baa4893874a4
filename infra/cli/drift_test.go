package cli_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	filesURN   = "urn:pulumi:dev::kubetracing::kubetracing:components:NodeConfig$command:local:Command::node-config-files"
	clusterURN = "urn:pulumi:dev::kubetracing::kubetracing:components:Cluster$command:local:Command::cluster-k3d"
)

// created is the state of a stack with two containers and a cluster.
const created = `{"deployment":{"resources":[
{"urn":"urn:a::jaeger-container","type":"docker:index/container:Container","id":"aaa","outputs":{"name":"kubetracing-dev-jaeger"}},
{"urn":"urn:a::collector-container","type":"docker:index/container:Container","id":"bbb","outputs":{"name":"kubetracing-dev-collector"}},
{"urn":"urn:a::cluster-kubeconfig","type":"command:local:Command","id":"cluster-kubeconfig1"},
{"urn":"` + filesURN + `","type":"command:local:Command","id":"node-config-files1"},
{"urn":"` + clusterURN + `","type":"command:local:Command","id":"cluster-k3d1"}]}}`

func TestWhatDockerLostIsSaidAndMadeAgain(t *testing.T) {
	const (
		preview = "preview --diff --suppress-progress --stack dev"
		up      = "up --yes --skip-preview --stack dev"
		forget  = "destroy --yes --skip-preview --stack dev --target-dependents --target " + filesURN + " --target " + clusterURN

		collectorGone = "kubetracing: container kubetracing-dev-collector is gone: an update creates it again\n"
		clusterGone   = "kubetracing: cluster kubetracing-dev is gone: an update creates it again, with everything in it\n"
	)
	tests := map[string]struct {
		state, containers, nodes string
		said                     string
		preview, up              []string
	}{
		"nothing is missing": {created, "aaa bbb nnn", "nnn", "", []string{preview}, []string{up}},
		"no cluster was made yet": {
			`{"deployment":{"resources":[{"urn":"` + filesURN + `","type":"command:local:Command","id":"1"}]}}`, "", "",
			"", []string{preview}, []string{up},
		},
		"nothing was made yet":     {"{}", "", "", "", []string{preview}, []string{up}},
		"a container is gone":      {created, "aaa nnn", "nnn", collectorGone, []string{preview + " --refresh"}, []string{up + " --refresh"}},
		"the cluster is gone":      {created, "aaa bbb", "", clusterGone, []string{preview}, []string{forget, up}},
		"both are gone":            {created, "aaa", "", collectorGone + clusterGone, []string{preview + " --refresh"}, []string{forget, up + " --refresh"}},
		"other containers are not": {created, "aaa bbb ccc", "nnn", "", []string{preview}, []string{up}},
	}
	for behaviour, test := range tests {
		for command, want := range map[string][]string{"preview": test.preview, "up": test.up} {
			t.Run(command+" when "+behaviour, func(t *testing.T) {
				m := newMachine(t)
				m.write(t, filepath.Join(m.folder, "state.json"), test.state)
				m.tool(t, "docker", `case "$*" in
"ps --all --no-trunc --quiet") printf '%s\n' `+test.containers+` ;;
"ps --all --quiet --filter label=k3d.cluster=kubetracing-dev") printf '%s\n' `+test.nodes+` ;;
esac`)
				got := m.run(t, command, "--", "--parallel", "2")
				require.Zero(t, got.code, got.stderr)
				var ran []string
				for _, call := range m.calls(t) {
					if call[:6] != "stack " {
						ran = append(ran, call)
					}
				}
				want := append([]string{}, want...)
				want[len(want)-1] += " --parallel 2"
				assert.Equal(t, want, ran)
				assert.Equal(t, test.said, got.stderr)
			})
		}
	}
}

func TestAStateThatCannotBeReadIsAnError(t *testing.T) {
	m := newMachine(t)
	m.write(t, filepath.Join(m.folder, "state.json"), "nothing")
	got := m.run(t, "up")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "kubetracing: read what pulumi stack export says: ")
}
