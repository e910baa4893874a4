package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// notesItsCalls is a program that notes what it is told to do, in which
// checkout and with which state, and fails where a file says so.
const notesItsCalls = `
checkout=$(cat which)
echo "$checkout $*" >> "$NOTES/calls"
echo "$PULUMI_BACKEND_URL" >> "$NOTES/states"
[ "$1" != preview ] || printf 'Previewing update (ci):\n\n  + a Cluster\n      ~ kubelet: 1000000 => 10000\nResources:\n    1 to update\n'
[ ! -e "$NOTES/fail-$checkout-$1" ]
`

// checkouts are the two sides of a review.
func checkouts(t *testing.T) (review, string) {
	t.Helper()
	notes := t.TempDir()
	t.Setenv("NOTES", notes)
	// Unset, as for someone who has chosen no backend.
	t.Setenv("PULUMI_BACKEND_URL", "")
	require.NoError(t, os.Unsetenv("PULUMI_BACKEND_URL"))
	r := review{stack: "ci", folder: filepath.Join(t.TempDir(), "preview")}
	for name, root := range map[string]*string{"base": &r.base, "head": &r.head} {
		*root = repository(t, notesItsCalls)
		write(t, filepath.Join(*root, "which"), name)
		write(t, filepath.Join(*root, "Pulumi.ci.yaml"), "")
	}
	return r, notes
}

func calls(t *testing.T, notes string) []string {
	t.Helper()
	return strings.Split(strings.TrimSpace(read(t, filepath.Join(notes, "calls"))), "\n")
}

const (
	headPreview = "head preview --stack ci -- --color never --non-interactive"
	headUp      = "head up --stack ci"
	headAgain   = "head preview --stack ci -- --expect-no-changes"
	headDestroy = "head destroy --stack ci"
	baseUp      = "base up --stack ci"
)

func TestAReview(t *testing.T) {
	tests := map[string]struct {
		// fails is CHECKOUT-COMMAND.
		fails string
		want  string
		calls []string
		// result is how base up, head up, the second preview and destroy ended.
		result string
	}{
		"brings up the base, shows the head's changes, makes them, and destroys": {
			"", "",
			[]string{baseUp, headPreview, headUp, headAgain, headDestroy},
			"passed passed passed passed",
		},
		"destroys what an update left": {
			"head-up", "update to the head: kubetracing up: exit status 1",
			[]string{baseUp, headPreview, headUp, headDestroy},
			"passed failed not reached passed",
		},
		"destroys what a base left that does not come up": {
			"base-up", "bring up the base: kubetracing up: exit status 1",
			[]string{baseUp, headDestroy},
			"failed not reached not reached passed",
		},
		"fails if something is left": {
			"head-destroy", "kubetracing destroy: exit status 1",
			[]string{baseUp, headPreview, headUp, headAgain, headDestroy},
			"passed passed passed failed",
		},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			r, notes := checkouts(t)
			if test.fails != "" {
				write(t, filepath.Join(notes, "fail-"+test.fails), "")
			}
			err := r.run(t.Context())
			if test.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.want)
			}
			assert.Equal(t, test.calls, calls(t, notes))
			outcome, err := readResult([]byte(read(t, filepath.Join(r.folder, "ci.json"))))
			require.NoError(t, err)
			assert.Equal(t, test.result, strings.Join([]string{
				string(outcome.Base), string(outcome.Head), string(outcome.Again), string(outcome.Destroy),
			}, " "))
		})
	}
}

func TestBothSidesShareTheHeadsState(t *testing.T) {
	r, notes := checkouts(t)
	require.NoError(t, r.run(t.Context()))
	want := "file://" + filepath.Join(r.head, ".kubetracing", "state")
	assert.Equal(t, strings.Repeat(want+"\n", 5), read(t, filepath.Join(notes, "states")))
	assert.Equal(t, "  + a Cluster\n      ~ kubelet: 1000000 => 10000\nResources:\n    1 to update\n",
		read(t, filepath.Join(r.folder, "ci.txt")), "what every preview says is left out")
}

func TestAPreviewIsShortEnoughForAPhone(t *testing.T) {
	t.Parallel()
	const id = "87e1874a6030cbfd8958ac662288a176071dc8eed2bb73d881069c0a3bef3791"
	assert.Equal(t, `    ~ command:local:Command: (update)
        [cluster-k3d]
      ~ environment: {
          ~ NODE_CONFIG: "22e3fa58c780" => "928626322c29"
          ~ AFTER: "87e1874a6030… 22e3fa58c780" => [unknown]
        }
`, string(quiet([]byte(`Previewing update (ci):
    ~ command:local:Command: (update)
        [id=cluster-k3d97d44482]
        [urn=urn:pulumi:ci::kubetracing::kubetracing:components:Cluster$command:local:Command::cluster-k3d]
        [provider=urn:pulumi:ci::kubetracing::pulumi:providers:command::default_1_2_1::51ead82e-dd62-4400-8685-371bec4b8841]
      ~ environment: {
          ~ NODE_CONFIG: "22e3fa58c780" => "928626322c29"
          ~ AFTER: "`+id+` 22e3fa58c780" => [unknown]
        }
`))))
}

func TestTheStatesOfSomeoneWhoChoseABackendStayThere(t *testing.T) {
	r, notes := checkouts(t)
	t.Setenv("PULUMI_BACKEND_URL", "s3://states")
	require.NoError(t, r.run(t.Context()))
	assert.Equal(t, strings.Repeat("s3://states\n", 5), read(t, filepath.Join(notes, "states")))
}

func TestAStackThatTheBaseLacksIsNewInThePreview(t *testing.T) {
	r, notes := checkouts(t)
	require.NoError(t, os.Remove(r.stackFile(r.base)))
	require.NoError(t, r.run(t.Context()))
	assert.Equal(t, []string{headPreview, headUp, headAgain, headDestroy}, calls(t, notes))
}

func TestAnInterruptedReviewDestroysAllTheSame(t *testing.T) {
	r, notes := checkouts(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, r.run(ctx))
	assert.Equal(t, []string{headDestroy}, calls(t, notes))
}
