package components

import (
	_ "embed"
	"fmt"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Churn is the name of the churn workload and the prefix of its objects' names.
const Churn = "churn"

// What churn creates and deletes: enough for kube-apiserver, etcd, kubelet and
// runtime to be seen at work, few enough for seconds.
const (
	churnPods       = 5
	churnConfigMaps = 20
)

//go:embed scripts/churn.sh
var churnScript string

// newChurn creates pods and config maps, waits until the pods have run and deletes
// everything again. It is a command, not objects: what it is about is their coming
// and going.
func newChurn(ctx *pulumi.Context, w workload) (pulumi.CustomResource, error) {
	command, err := local.NewCommand(ctx, w.name, &local.CommandArgs{
		Create: pulumi.String(script(map[string]string{
			"NODE":        w.args.Node,
			"NAMESPACE":   WorkloadNamespace,
			"PREFIX":      Churn,
			"IMAGE":       echoImage,
			"PODS":        fmt.Sprint(churnPods),
			"CONFIG_MAPS": fmt.Sprint(churnConfigMaps),
		}, churnScript)),
		// A new cluster has seen nothing of it yet.
		Triggers: pulumi.Array{w.args.Cluster.Started},
		Logging:  local.LoggingStderr,
	}, pulumi.Parent(w.parent), pulumi.DependsOn([]pulumi.Resource{w.namespace}), podTimeout)
	if err != nil {
		return nil, fmt.Errorf("command: %w", err)
	}
	return command, nil
}
