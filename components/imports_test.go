package components_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// module begins the path of every package of this module.
	module = "github.com/kubetracing/kubetracing/"
	// commandLine is the main package of the command line.
	commandLine = "infra/kubetracing"
)

var (
	// heavy are packages with which a cold compile takes minutes: Pulumi's program SDK,
	// its workspace and the providers' SDKs.
	heavy = []string{
		"github.com/pulumi/pulumi/sdk/v3/go/pulumi",
		"github.com/pulumi/pulumi/sdk/v3/go/common/workspace",
		"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes",
		"github.com/pulumi/pulumi-docker/sdk/v4/go/docker",
		"github.com/pulumi/pulumi-command/sdk/go/command",
	}
	// typed are the Kubernetes SDK's packages of typed objects, the heaviest of all.
	typed = []string{
		"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps",
		"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core",
		"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/discovery",
		"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta",
		"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/node",
	}
	// pure are the packages of components that know no Pulumi.
	pure = []string{
		"components/expectations", "components/internal/manifest", "components/poll", "components/spec", "components/strict",
		"components/tracing", "components/verify", "components/workloads/catalog",
	}
	// shared is what the rooms of components have in common.
	shared = append([]string{"components/internal/resources"}, pure...)
)

// importRule limits the imports of packages.
type importRule struct {
	// packages is a package of this module or, with a final /..., everything below a
	// folder.
	packages string
	// may are the packages of this module that it may import, in the same form.
	may []string
	// never are packages on which it must not depend, not even indirectly, nor on
	// anything below them.
	never []string
}

// importRules are the rules of this module. The first that matches a package applies.
var importRules = []importRule{
	{packages: "components/tracing", never: heavy},
	{packages: "components/strict", never: heavy},
	{packages: "components/poll", never: heavy},
	{packages: "components/verify", may: []string{"components/poll", "components/strict"}, never: heavy},
	{packages: "components/internal/manifest", never: heavy},
	{packages: "components/spec", may: []string{"components/verify"}, never: heavy},
	{packages: "components/expectations", may: []string{"components/tracing", "components/verify"}, never: heavy},
	{packages: "components/workloads/catalog", may: []string{
		"components/internal/manifest", "components/spec", "components/tracing", "components/verify",
	}, never: heavy},

	{packages: "components/internal/resources", may: []string{"components/internal/manifest", "components/spec"}, never: typed},
	{packages: "components/internal/enginetest", may: shared, never: typed},
	{packages: "components/backend", may: shared, never: typed},
	{packages: "components/cluster", may: append([]string{"components/backend"}, shared...), never: typed},
	{packages: "components/workloads", may: append([]string{"components/cluster"}, shared...), never: typed},
	{packages: "components/verification", may: shared, never: typed},
	{packages: "components", may: []string{"components/...", "stacks"}, never: typed},

	{packages: "stacks", may: pure, never: heavy},
	{packages: "infra", may: []string{"components", "infra/docker", "infra/plan", "infra/preflight", "stacks"}, never: typed},
	{packages: "infra/plan", may: append([]string{"stacks"}, pure...), never: typed},
	{packages: commandLine, may: []string{"infra/cli"}, never: heavy},
	{packages: "test/internal/docker", may: []string{"infra/docker"}, never: heavy},
	{packages: "test/...", may: []string{"test/..."}, never: heavy},
	{packages: "infra/...", may: append([]string{"infra/...", "stacks"}, pure...), never: heavy},
}

// matches reports whether a package, relative to the module, matches a pattern.
func matches(pattern, name string) bool {
	folder, below := strings.CutSuffix(pattern, "/...")
	return name == pattern || below && strings.HasPrefix(name, folder+"/")
}

// listed is a package as go list describes it.
type listed struct {
	ImportPath    string
	Imports, Deps []string
}

// listPackages returns the packages of this module by their path in it.
func listPackages(t *testing.T) map[string]listed {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports,Deps", "./...")
	command.Dir = ".."
	output, err := command.Output()
	require.NoError(t, err)
	packages := map[string]listed{}
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	for {
		var found listed
		err := decoder.Decode(&found)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages[strings.TrimPrefix(found.ImportPath, module)] = found
	}
}

func TestImports(t *testing.T) {
	t.Parallel()
	packages := listPackages(t)
	used := map[string]bool{}
	for name, found := range packages {
		i := slices.IndexFunc(importRules, func(r importRule) bool { return matches(r.packages, name) })
		if !assert.GreaterOrEqual(t, i, 0, "package %s has no rule", name) {
			continue
		}
		rule := importRules[i]
		used[rule.packages] = true
		for _, path := range found.Imports {
			if imported, own := strings.CutPrefix(path, module); own {
				assert.True(t, slices.ContainsFunc(rule.may, func(pattern string) bool { return matches(pattern, imported) }),
					"%s must not import %s", name, imported)
			}
		}
		for _, path := range found.Deps {
			assert.False(t, slices.ContainsFunc(rule.never, func(never string) bool { return matches(never+"/...", path) || path == never }),
				"%s must not depend on %s", name, path)
		}
	}
	for _, rule := range importRules {
		assert.True(t, used[rule.packages], "the rule of %s applies", rule.packages)
	}
}

func TestImports_Patterns(t *testing.T) {
	t.Parallel()
	assert.True(t, matches("infra", "infra"))
	assert.False(t, matches("infra", "infra/cli"))
	assert.True(t, matches("infra/...", "infra/cli"))
	assert.False(t, matches("infra/...", "infra"))
	assert.False(t, matches("infra/...", "infrastructure"))
}
