package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// folderOf writes files below a folder.
func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for path, content := range files {
		write(t, filepath.Join(folder, path), content)
	}
	return folder
}

const smallPlan = `stack: dev
kubernetes: v1.37.1+k3s1
files:
  nodes:/etc/kubetracing/kubelet.yaml: |
    kind: KubeletConfiguration
    tracing:
      endpoint: otel-collector:4317
      samplingRatePerMillion: 1000000
resources:
- inputs:
    samplingRatePerMillion:
      etcd: 1000000
      kubelet: 1000000
  name: cluster
  type: kubetracing:components:Cluster
- name: network
  type: kubetracing:components:Network
`

func TestTheCommentAboutPlans(t *testing.T) {
	t.Parallel()
	changed := strings.NewReplacer("kubelet: 1000000", "kubelet: 10000",
		"samplingRatePerMillion: 1000000", "samplingRatePerMillion: 10000").Replace(smallPlan)
	body, err := commentBody(kindPlans, folderOf(t, map[string]string{
		"base/ci.yaml": smallPlan, "head/ci.yaml": smallPlan,
		"base/dev.yaml": smallPlan, "head/dev.yaml": changed,
		"base/gone.yaml": smallPlan, "head/new.yaml": smallPlan,
	}))
	require.NoError(t, err)
	assert.Equal(t, "<!-- kubetracing:plans -->\n"+
		"### What this changes, by the offline plans of every stack\n\n"+
		"| stack | changes |\n|---|---|\n"+
		"| `ci` | nothing |\n| `dev` | 2 places |\n| `gone` | is gone |\n| `new` | is new |\n\n"+
		"<details open><summary>dev</summary>\n\n```diff\n"+
		"@@ resources.cluster.inputs.samplingRatePerMillion.kubelet @@\n"+
		"! ± value change\n- 1000000\n+ 10000\n\n"+
		"@@ files.nodes:/etc/kubetracing/kubelet.yaml @@\n"+
		"! ± value change in multiline text (one insert, one deletion)\n"+
		"  kind: KubeletConfiguration\n  \n  [one line unchanged)]\n  \n    endpoint: otel-collector:4317\n"+
		"-   samplingRatePerMillion: 1000000\n+   samplingRatePerMillion: 10000\n"+
		"```\n\n</details>\n", body)
}

func TestAResourceThatMovesInTheListIsNoChange(t *testing.T) {
	t.Parallel()
	difference, err := diffPlans(
		[]byte("resources:\n- {name: a, type: x}\n- {name: b, type: y}\n"),
		[]byte("resources:\n- {name: a, type: x}\n- {name: aa, type: z}\n- {name: b, type: y}\n"))
	require.NoError(t, err)
	assert.Equal(t, 1, difference.changes)
	assert.Contains(t, difference.text, "@@ resources @@\n! + one list entry added:\n+ - name: aa\n")
	assert.NotContains(t, difference.text, "name: b")
}

// How a run ended is part of the comment, also when it did not end.
func TestTheCommentAboutAPreview(t *testing.T) {
	t.Parallel()
	const preview = "~ kubetracing:components:Cluster: (update)\n    ~ kubelet: 1000000 => 10000\n"
	tests := map[string]struct {
		result, want string
	}{
		"that went well": {
			`{"base":"passed","head":"passed","again":"passed","destroy":"passed"}`,
			"base up: passed; update with its trace assertions: passed; nothing left to do: passed; destroy: passed",
		},
		"whose update showed no spans": {
			`{"base":"passed","head":"failed","again":"not reached","destroy":"passed"}`,
			"base up: passed; update with its trace assertions: failed; nothing left to do: not reached; destroy: passed",
		},
		"that was killed": {
			"",
			"base up: not reached; update with its trace assertions: not reached; nothing left to do: not reached; destroy: not reached",
		},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"ci.txt": preview}
			if test.result != "" {
				files["ci.json"] = test.result
			}
			body, err := commentBody(kindPreview, folderOf(t, files))
			require.NoError(t, err)
			assert.Equal(t, "<!-- kubetracing:preview -->\n### What this does to a running stack of the base\n\n"+
				"| stack | changes |\n|---|---|\n| `ci` | "+test.want+" |\n\n"+
				"<details open><summary>ci</summary>\n\n```diff\n"+strings.TrimSuffix(preview, "\n")+"\n```\n\n</details>\n", body)
		})
	}
}

func TestWhatAPullRequestsCodeWroteStaysInsideTheBlock(t *testing.T) {
	t.Parallel()
	body, err := commentBody(kindPreview, folderOf(t, map[string]string{"ci.txt": "harmless\n```\n@everybody <img src=x>\n````\n\xff\n"}))
	require.NoError(t, err)
	assert.Contains(t, body, "\n`````diff\nharmless\n```\n@everybody <img src=x>\n````\n?\n`````\n")

	for behaviour, files := range map[string]map[string]string{
		"a name that is no stack's":      {"`@everybody`.txt": "text"},
		"a result that is none of ours":  {"ci.txt": "text", "ci.json": `{"base":"@everybody"}`},
		"a result that is no JSON":       {"ci.txt": "text", "ci.json": `@everybody`},
		"a file that fills the memory":   {"ci.txt": strings.Repeat("x", maxFile+1)},
		"a plan that is no YAML mapping": {"base/ci.yaml": "a: [", "head/ci.yaml": "a: 1"},
	} {
		kind := kindPreview
		if _, ok := files["base/ci.yaml"]; ok {
			kind = kindPlans
		}
		_, err := commentBody(kind, folderOf(t, files))
		require.Error(t, err, behaviour)
	}
	_, err = commentBody("poem", t.TempDir())
	require.EqualError(t, err, `--kind: "poem": must be plans or preview`)
}

func TestALongCommentIsCutAtALineAndSaysSo(t *testing.T) {
	t.Parallel()
	lines := func(count int, word string) string {
		var text strings.Builder
		for i := range count {
			fmt.Fprintf(&text, "+ %s %06d\n", word, i)
		}
		return text.String()
	}
	body := render("title\n", []section{
		{stack: "long", text: lines(10_000, "é")}, {stack: "longer", text: lines(20_000, "é")}, {stack: "short", text: "+ short\n"},
	}, "look there")
	assert.LessOrEqual(t, len(body), 65_536)
	assert.Greater(t, len(body), maxComment-1000, "what there is room for is shown")
	assert.Regexp(t, "\\+ é \\d{6}\n```\n\n[0-9]+ more lines are not shown here: look there\\.\n", body)
	assert.Equal(t, 2, strings.Count(body, "more lines are not shown here"))
	assert.Contains(t, body, "+ short\n")
	assert.Equal(t, 6, strings.Count(body, "```"), "every block is closed")
}

func TestNothingToSayIsSaid(t *testing.T) {
	t.Parallel()
	body, err := commentBody(kindPlans, folderOf(t, map[string]string{"base/dev.yaml": smallPlan, "head/dev.yaml": smallPlan}))
	require.NoError(t, err)
	assert.Contains(t, body, "| `dev` | nothing |\n")
	assert.NotContains(t, body, "```")
}
