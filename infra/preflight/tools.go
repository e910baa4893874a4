package preflight

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"

	"github.com/Masterminds/semver/v3"
)

// minimumK3d is the first k3d release that takes everything in our
// configuration and was seen to work with it.
var minimumK3d = semver.MustParse("5.8.3")

var k3dVersionLine = regexp.MustCompile(`(?m)^k3d version v?(\S+)`)

// tools finds k3d missing or too old. A k3d that does not tell a version was
// built from source by someone who knows what they do.
func tools(ctx context.Context) []error {
	if _, err := exec.LookPath("k3d"); err != nil {
		return []error{fmt.Errorf("k3d is not on PATH: install k3d %s or newer (https://k3d.io), or run `make up`, which brings its own", minimumK3d)}
	}
	output, err := exec.CommandContext(ctx, "k3d", "version").Output()
	if err != nil {
		return []error{fmt.Errorf("k3d does not run: %w", err)}
	}
	found := k3dVersionLine.FindSubmatch(output)
	if found == nil {
		return nil
	}
	version, err := semver.NewVersion(string(found[1]))
	if err == nil && version.LessThan(minimumK3d) {
		return []error{fmt.Errorf("k3d %s is too old: install k3d %s or newer (https://k3d.io), or run `make up`, which brings its own", version, minimumK3d)}
	}
	return nil
}
