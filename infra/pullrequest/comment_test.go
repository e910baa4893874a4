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

func TestNewComment_Plans(t *testing.T) {
	t.Parallel()
	changed := strings.NewReplacer("kubelet: 1000000", "kubelet: 10000",
		"samplingRatePerMillion: 1000000", "samplingRatePerMillion: 10000").Replace(smallPlan)
	c, err := newComment(kindPlans, folderOf(t, map[string]string{
		"base/ci.yaml": smallPlan, "head/ci.yaml": smallPlan,
		"base/dev.yaml": smallPlan, "head/dev.yaml": changed,
		"base/gone.yaml": smallPlan, "head/new.yaml": smallPlan,
	}))
	require.NoError(t, err)
	assert.Equal(t, "<!-- kubetracing:plans -->\n"+
		"### What this changes, by the offline plans of every stack\n\n"+
		"| stack | changes |\n|---|---|\n"+
		"| `ci` | nothing |\n| `dev` | 2 places |\n| `gone` | removed |\n| `new` | new |\n\n"+
		"<details open><summary>dev</summary>\n\n```diff\n"+
		"@@ resources.cluster.inputs.samplingRatePerMillion.kubelet @@\n"+
		"! ± value change\n- 1000000\n+ 10000\n\n"+
		"@@ files.nodes:/etc/kubetracing/kubelet.yaml @@\n"+
		"! ± value change in multiline text (one insert, one deletion)\n"+
		"  kind: KubeletConfiguration\n  \n  [one line unchanged)]\n  \n    endpoint: otel-collector:4317\n"+
		"-   samplingRatePerMillion: 1000000\n+   samplingRatePerMillion: 10000\n"+
		"```\n\n</details>\n", c.body)
	assert.Empty(t, c.broken)
}

// The other stacks are shown all the same, after the broken one and its mistakes.
func TestNewComment_BrokenStack(t *testing.T) {
	t.Parallel()
	const mistake = "kubetracing: cluster.agents: \"many\": must be a whole number\n"
	c, err := newComment(kindPlans, folderOf(t, map[string]string{
		"base/ci.yaml": smallPlan, "head/ci.yaml": smallPlan,
		"base/dev.yaml": smallPlan, "head/dev.error": mistake,
		"base/healed.error": mistake, "head/healed.yaml": smallPlan,
		"base/removed.error": mistake,
	}))
	require.NoError(t, err)
	assert.Equal(t, []string{"dev"}, c.broken)
	assert.Equal(t, "<!-- kubetracing:plans -->\n"+
		"### What this changes, by the offline plans of every stack\n\n"+
		"| stack | changes |\n|---|---|\n"+
		"| `dev` | **is broken**: it has no plan |\n| `ci` | nothing |\n"+
		"| `healed` | was broken in the base: there is no plan to compare with |\n| `removed` | removed |\n\n"+
		"<details open><summary>dev</summary>\n\n```diff\n"+mistake+"```\n\n</details>\n\n"+
		"<details open><summary>healed</summary>\n\n```diff\n"+mistake+"```\n\n</details>\n", c.body)
}

func TestDiffPlans_MovedResource(t *testing.T) {
	t.Parallel()
	difference, err := diffPlans(
		[]byte("resources:\n- {name: a, type: x}\n- {name: b, type: y}\n"),
		[]byte("resources:\n- {name: a, type: x}\n- {name: aa, type: z}\n- {name: b, type: y}\n"))
	require.NoError(t, err)
	assert.Equal(t, 1, difference.changes)
	assert.Contains(t, difference.text, "@@ resources @@\n! + one list entry added:\n+ - name: aa\n")
	assert.NotContains(t, difference.text, "name: b")
}

func TestNewComment_Preview(t *testing.T) {
	t.Parallel()
	const preview = "~ kubetracing:components:Cluster: (update)\n    ~ kubelet: 1000000 => 10000\n"
	tests := map[string]struct {
		result, want string
		broken       []string
	}{
		"successful run": {
			`{"base":"passed","preview":"passed","head":"passed","again":"passed","destroy":"passed"}`,
			"base up: passed; preview: passed; update with its trace assertions: passed; nothing left to do: passed; destroy: passed", nil,
		},
		"update without spans": {
			`{"base":"passed","preview":"passed","head":"failed","again":"not reached","destroy":"passed"}`,
			"base up: passed; preview: passed; update with its trace assertions: failed; nothing left to do: not reached; destroy: passed", nil,
		},
		"invalid stack": {
			`{"base":"passed","preview":"failed","head":"not reached","again":"not reached","destroy":"passed"}`,
			"base up: passed; preview: failed; update with its trace assertions: not reached; nothing left to do: not reached; destroy: passed",
			[]string{"ci"},
		},
		"killed run": {
			"",
			"base up: not reached; preview: not reached; update with its trace assertions: not reached; nothing left to do: not reached; destroy: not reached", nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"ci.txt": preview}
			if test.result != "" {
				files["ci.json"] = test.result
			}
			c, err := newComment(kindPreview, folderOf(t, files))
			require.NoError(t, err)
			assert.Equal(t, test.broken, c.broken)
			assert.Equal(t, "<!-- kubetracing:preview -->\n### What this does to a running stack of the base\n\n"+
				"| stack | changes |\n|---|---|\n| `ci` | "+test.want+" |\n\n"+
				"<details open><summary>ci</summary>\n\n```diff\n"+strings.TrimSuffix(preview, "\n")+"\n```\n\n</details>\n", c.body)
		})
	}
}

func TestNewComment_PreviewNotReached(t *testing.T) {
	t.Parallel()
	c, err := newComment(kindPreview, folderOf(t, map[string]string{
		"ci.json": `{"base":"failed","preview":"not reached","head":"not reached","again":"not reached","destroy":"passed"}`,
	}))
	require.NoError(t, err)
	assert.Contains(t, c.body, "| `ci` | base up: failed; preview: not reached;")
	assert.NotContains(t, c.body, "```")
}

func TestNewComment_Untrusted(t *testing.T) {
	t.Parallel()
	c, err := newComment(kindPreview, folderOf(t, map[string]string{"ci.txt": "harmless\n```\n@everybody <img src=x>\n````\n\xff\n"}))
	require.NoError(t, err)
	assert.Contains(t, c.body, "\n`````diff\nharmless\n```\n@everybody <img src=x>\n````\n?\n`````\n")

	for name, files := range map[string]map[string]string{
		"not the name of a stack": {"`@everybody`.txt": "text"},
		"unknown outcome":         {"ci.txt": "text", "ci.json": `{"base":"@everybody"}`},
		"malformed result":        {"ci.txt": "text", "ci.json": `@everybody`},
		"huge file":               {"ci.txt": strings.Repeat("x", maxFile+1)},
		"malformed plan":          {"base/ci.yaml": "a: [", "head/ci.yaml": "a: 1"},
	} {
		kind := kindPreview
		if _, ok := files["base/ci.yaml"]; ok {
			kind = kindPlans
		}
		_, err := newComment(kind, folderOf(t, files))
		require.Error(t, err, name)
	}
	_, err = newComment("poem", t.TempDir())
	require.EqualError(t, err, `--kind: "poem": must be plans or preview`)
}

func TestRender_Truncated(t *testing.T) {
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
	}, "there is more")
	assert.LessOrEqual(t, len(body), 65_536)
	assert.Greater(t, len(body), maxComment-1000, "what there is room for is shown")
	assert.Regexp(t, "\\+ é \\d{6}\n```\n\n[0-9]+ more lines are not shown here: there is more\\.\n", body)
	assert.Equal(t, 2, strings.Count(body, "more lines are not shown here"))
	assert.Contains(t, body, "+ short\n")
	assert.Equal(t, 6, strings.Count(body, "```"), "every block is closed")
}

func TestNewComment_NoChange(t *testing.T) {
	t.Parallel()
	c, err := newComment(kindPlans, folderOf(t, map[string]string{"base/dev.yaml": smallPlan, "head/dev.yaml": smallPlan}))
	require.NoError(t, err)
	assert.Contains(t, c.body, "| `dev` | nothing |\n")
	assert.NotContains(t, c.body, "```")
}
