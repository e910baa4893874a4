package stacks

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const matrixPath = "../docs/matrix.md"

// The part of docs/matrix.md between these lines is written from the version table.
const (
	matrixBegin = "<!-- Written by `make docs` from the version table; a test fails while the two differ. -->\n"
	matrixEnd   = "<!-- The end of what `make docs` writes. -->\n"
)

// TestCombinations_Reference keeps docs/matrix.md from growing old.
func TestCombinations_Reference(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(matrixPath)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), matrixBegin)
	require.True(t, found)
	got, after, found := strings.Cut(rest, matrixEnd)
	require.True(t, found)
	want := renderMatrix(t)
	if *update {
		require.NoError(t, os.WriteFile(matrixPath, []byte(before+matrixBegin+want+matrixEnd+after), 0o644)) //nolint:gosec // it is for everyone to read
		got = want
	}
	assert.Equal(t, want, got, "if this is meant: make docs")
}

func renderMatrix(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("\n| Kubernetes | k3s release | TracingConfiguration | etcd | containerd in the node image |\n|---|---|---|---|---|\n")
	for _, minor := range tracing.Minors() {
		release, err := tracing.ResolveRelease(minor)
		require.NoError(t, err)
		version := release.Rules.APIServerTracingVersion
		fmt.Fprintf(&text, "| %s | `%s` | %s | %s | %s |\n", minor, release.Kubernetes,
			version[strings.LastIndex(version, "/")+1:], release.Rules.Etcd, release.ContainerdRelease().Version)
	}
	return text.String() + "\n"
}
