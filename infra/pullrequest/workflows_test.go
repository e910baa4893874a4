package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const project = "../.."

// workflows returns the texts of the workflows and of their own action.
func workflows(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{".github/workflows/*.yml", ".github/actions/*/action.yml"} {
		files, err := filepath.Glob(filepath.Join(project, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			texts[filepath.Base(file)] = read(t, file)
		}
	}
	return texts
}

var (
	usesLine = regexp.MustCompile(`(?m)uses: (.*)$`)
	pinned   = regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	makeLine = regexp.MustCompile(`make ((?:--silent )?)([a-z0-9-]+)`)
)

// A tag can be moved to other code; a commit cannot.
func TestWorkflows_PinnedActions(t *testing.T) {
	t.Parallel()
	releases := map[string]string{}
	for name, text := range workflows(t) {
		for _, match := range usesLine.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(match[1], "./") {
				continue
			}
			require.Regexp(t, pinned, match[1], name)
			action, release, _ := strings.Cut(match[1], "@")
			if other, seen := releases[action]; seen {
				assert.Equal(t, other, release, "%s in %s is another release than elsewhere", action, name)
			}
			releases[action] = release
		}
	}
	assert.Contains(t, releases, "actions/checkout")
}

func TestWorkflows_MakeTargets(t *testing.T) {
	t.Parallel()
	makefile := read(t, filepath.Join(project, "Makefile"))
	ran := map[string]bool{}
	for name, text := range workflows(t) {
		for line := range strings.Lines(text) {
			if !strings.Contains(line, "run: ") {
				continue
			}
			match := makeLine.FindStringSubmatch(line)
			require.NotNil(t, match, "%s runs something else: %s", name, line)
			assert.Contains(t, makefile, "\n"+match[2]+":", name)
			ran[match[2]] = true
		}
	}
	for _, target := range []string{
		"test", "race", "conformance", "pr-plan", "pr-preview", "pr-comment", "destroy", "matrix", "e2e",
		"outdated-update", "outdated-conformance", "outdated-propose",
	} {
		assert.True(t, ran[target], "no workflow runs make %s", target)
	}
}

// In the workflow that opens pull requests, what compiles and runs upstream's code must
// not be in the job whose token can write.
func TestWorkflows_OutdatedTokens(t *testing.T) {
	t.Parallel()
	text := workflows(t)["outdated.yml"]
	_, jobs, found := strings.Cut(text, "\njobs:\n")
	require.True(t, found)
	before, propose, found := strings.Cut(jobs, "\n  propose:\n")
	require.True(t, found)
	assert.NotContains(t, before, ": write")
	assert.Equal(t, 2, strings.Count(propose, ": write"))
	assert.Equal(t, 1, strings.Count(propose, "run: "))
	assert.Contains(t, propose, "run: make outdated-propose\n")
}

// A pull request's code must not meet a token that can write.
func TestWorkflows_Permissions(t *testing.T) {
	t.Parallel()
	for name, text := range workflows(t) {
		if name == "action.yml" {
			continue
		}
		assert.NotContains(t, text, "pull_request_target", name)
		assert.Contains(t, text, "\npermissions:\n  contents: read\n", name)
		assert.Contains(t, text, "\nconcurrency:\n", name)
		assert.NotContains(t, text, "secrets.", name)
		assert.Equal(t, strings.Count(text, "uses: actions/checkout@"), strings.Count(text, "persist-credentials: false"), name)
		if strings.Contains(text, ": write") {
			assert.Contains(t, []string{"comment.yml", "outdated.yml"}, name)
			assert.NotContains(t, text, "pull_request:", name)
			// Every checkout is the default branch's.
			assert.Equal(t, strings.Count(text, "uses: actions/checkout@"),
				strings.Count(text, "ref: ${{ github.event.repository.default_branch }}"), name)
		}
		// What a stranger chose must reach a shell as data.
		for line := range strings.Lines(text) {
			if strings.Contains(line, "run: ") {
				assert.NotContains(t, line, "${{", name)
			}
		}
	}
}
