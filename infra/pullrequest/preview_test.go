package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recordsCalls is a program that records its arguments, its checkout and its state,
// and fails where a file says so.
const recordsCalls = `
checkout=$(cat which)
echo "$checkout $*" >> "$RECORDS/calls"
echo "$PULUMI_BACKEND_URL" >> "$RECORDS/states"
[ "$1" != preview ] || printf 'Previewing update (ci):\n\n  + a Cluster\n      ~ kubelet: 1000000 => 10000\nResources:\n    1 to update\n'
if [ -e "$RECORDS/fail-$checkout-$1" ]; then echo "$1 fails" >&2; exit 1; fi
`

// checkouts creates the two sides of a review, and a folder for what they record.
func checkouts(t *testing.T) (review, string) {
	t.Helper()
	records := t.TempDir()
	t.Setenv("RECORDS", records)
	// Unset, as for someone who has chosen no backend.
	t.Setenv("PULUMI_BACKEND_URL", "")
	require.NoError(t, os.Unsetenv("PULUMI_BACKEND_URL"))
	r := review{stack: "ci", folder: filepath.Join(t.TempDir(), "preview")}
	for name, root := range map[string]*string{"base": &r.base, "head": &r.head} {
		*root = repository(t, recordsCalls)
		write(t, filepath.Join(*root, "which"), name)
		write(t, filepath.Join(*root, "Pulumi.ci.yaml"), "")
	}
	return r, records
}

// calls returns what was recorded, with FOLDER for where the traces are kept.
func calls(t *testing.T, records string) []string {
	t.Helper()
	recorded := keptIn.ReplaceAllString(read(t, filepath.Join(records, "calls")), "--file FOLDER/traces/")
	return strings.Split(strings.TrimSpace(recorded), "\n")
}

var keptIn = regexp.MustCompile(`--file \S*/traces/`)

const (
	headPreview = "head preview --stack ci -- --color never --non-interactive"
	headUp      = "head up --stack ci"
	headAgain   = "head preview --stack ci -- --expect-no-changes"
	headExport  = "head export --stack ci --since 1h --file FOLDER/traces/ci.json"
	headDestroy = "head destroy --stack ci"
	baseUp      = "base up --stack ci"
)

func TestReview(t *testing.T) {
	tests := map[string]struct {
		// fails is CHECKOUT-COMMAND.
		fails string
		want  string
		calls []string
		// result lists the outcomes of base up, preview, head up, second preview and
		// destroy.
		result string
	}{
		"success": {
			"", "",
			[]string{baseUp, headPreview, headUp, headAgain, headExport, headDestroy},
			"passed passed passed passed passed",
		},
		"failed update": {
			"head-up", "update to the head: kubetracing up: exit status 1",
			[]string{baseUp, headPreview, headUp, headExport, headDestroy},
			"passed passed failed not reached passed",
		},
		"base that does not come up": {
			"base-up", "bring up the base: kubetracing up: exit status 1",
			[]string{baseUp, headExport, headDestroy},
			"failed not reached not reached not reached passed",
		},
		"invalid stack": {
			"head-preview", "preview the head: kubetracing preview: exit status 1",
			[]string{baseUp, headPreview, headExport, headDestroy},
			"passed failed not reached not reached passed",
		},
		"traces that cannot be kept": {
			"head-export", "",
			[]string{baseUp, headPreview, headUp, headAgain, headExport, headDestroy},
			"passed passed passed passed passed",
		},
		"failed destroy": {
			"head-destroy", "kubetracing destroy: exit status 1",
			[]string{baseUp, headPreview, headUp, headAgain, headExport, headDestroy},
			"passed passed passed passed failed",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, records := checkouts(t)
			if test.fails != "" {
				write(t, filepath.Join(records, "fail-"+test.fails), "")
			}
			err := r.run(t.Context())
			if test.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.want)
			}
			assert.Equal(t, test.calls, calls(t, records))
			outcome, err := readResult([]byte(read(t, filepath.Join(r.folder, "ci.json"))))
			require.NoError(t, err)
			assert.Equal(t, test.result, strings.Join([]string{
				string(outcome.Base), string(outcome.Preview), string(outcome.Head), string(outcome.Again), string(outcome.Destroy),
			}, " "))
		})
	}
}

func TestReview_FailedPreview(t *testing.T) {
	r, records := checkouts(t)
	write(t, filepath.Join(records, "fail-head-preview"), "")
	write(t, r.path(".txt"), "the preview of an earlier run")
	require.Error(t, r.run(t.Context()))
	assert.Contains(t, read(t, r.path(".txt")), "preview fails\n", "the comment shows why")
	assert.NotContains(t, read(t, r.path(".txt")), "earlier run")
}

func TestReview_SharedState(t *testing.T) {
	r, records := checkouts(t)
	require.NoError(t, r.run(t.Context()))
	want := "file://" + filepath.Join(r.head, ".kubetracing", "state")
	assert.Equal(t, strings.Repeat(want+"\n", 6), read(t, filepath.Join(records, "states")))
	assert.Equal(t, "  + a Cluster\n      ~ kubelet: 1000000 => 10000\nResources:\n    1 to update\n",
		read(t, filepath.Join(r.folder, "ci.txt")), "lines of every preview are left out")
}

func TestQuiet(t *testing.T) {
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

func TestReview_ChosenBackend(t *testing.T) {
	r, records := checkouts(t)
	t.Setenv("PULUMI_BACKEND_URL", "s3://states")
	require.NoError(t, r.run(t.Context()))
	assert.Equal(t, strings.Repeat("s3://states\n", 6), read(t, filepath.Join(records, "states")))
}

func TestReview_StackMissingInBase(t *testing.T) {
	r, records := checkouts(t)
	require.NoError(t, os.Remove(r.stackFile(r.base)))
	require.NoError(t, r.run(t.Context()))
	assert.Equal(t, []string{headPreview, headUp, headAgain, headExport, headDestroy}, calls(t, records))
}

func TestReview_Interrupted(t *testing.T) {
	r, records := checkouts(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, r.run(ctx))
	assert.Equal(t, []string{headExport, headDestroy}, calls(t, records))
}
