package tracing_test

import (
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The package is pure so that a plan needs neither an engine nor a daemon; one
// import of Pulumi would end that without any other test noticing.
func TestPackage_Imports(t *testing.T) {
	t.Parallel()

	allowed := []string{"github.com/BurntSushi/toml", "github.com/Masterminds/semver/v3", "sigs.k8s.io/yaml"}
	// Of the standard library: nothing that reads the machine, the clock or chance.
	impure := []string{"os", "os/exec", "io/fs", "net", "net/http", "time", "math/rand", "math/rand/v2", "crypto/rand", "runtime"}

	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	read := 0
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, parser.ImportsOnly)
		require.NoError(t, err)
		read++
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			// Only paths of modules have a dot in their first element.
			if host, _, _ := strings.Cut(path, "/"); strings.Contains(host, ".") {
				assert.Contains(t, allowed, path, "import of %s", entry.Name())
			} else {
				assert.NotContains(t, impure, path, "import of %s", entry.Name())
			}
		}
	}
	assert.Greater(t, read, 10, "files that were read")
}
