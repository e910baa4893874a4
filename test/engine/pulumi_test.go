// Package engine_test runs the program under the real Pulumi engine, with fakes
// of the docker, command and kubernetes providers attached to it: what is created,
// updated, replaced and deleted, and in which order, is the engine's own decision.
package engine_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/test/internal/environment"
	"github.com/kubetracing/kubetracing/test/processes/build"
)

// cli is the Pulumi CLI of the program's SDK.
var cli = build.Program{
	Folder: "test/engine/pulumi", Version: sdk.Version.String(), Package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
	// The SDK asks for it before it uses what only newer CLIs have.
	VersionVariable: "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",
}

// TestMain keeps the developer's settings, and plugins on PATH, out of the tests:
// Pulumi warns about each such plugin, in any order.
func TestMain(m *testing.M) { os.Exit(environment.Run(m, "pulumi")) }

// findPulumi returns the Pulumi CLI: the one on PATH, else one that is built from
// its module.
var findPulumi = sync.OnceValues(func() (auto.PulumiCommand, error) {
	options := &auto.PulumiCommandOptions{SkipVersionCheck: true}
	if _, err := exec.LookPath("pulumi"); err != nil {
		binary, err := cli.Binary()
		if err != nil {
			return nil, fmt.Errorf("pulumi is not on PATH and does not build: %w", err)
		}
		// The SDK looks for a folder of this layout.
		options.Root = binary + ".root"
		if err := os.MkdirAll(filepath.Join(options.Root, "bin"), 0o755); err != nil {
			return nil, err
		}
		link := filepath.Join(options.Root, "bin", "pulumi")
		if err := os.Symlink(binary, link); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return auto.NewPulumiCommand(options)
})

func pulumiCommand(t *testing.T) auto.PulumiCommand {
	t.Helper()
	command, err := findPulumi()
	require.NoError(t, err)
	return command
}
