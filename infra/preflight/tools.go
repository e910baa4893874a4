package preflight

import (
	"context"
	"fmt"

	"github.com/kubetracing/kubetracing/infra/tools"
)

// k3d finds k3d missing or too old.
func k3d(ctx context.Context) []error {
	tool := tools.K3d()
	if err := tool.OnPath(ctx); err != nil {
		return []error{fmt.Errorf("%w: install k3d %s or newer (https://k3d.io), or run `make up`, which brings its own", err, tool.Minimum)}
	}
	return nil
}
