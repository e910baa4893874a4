package program

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/stacks"
)

// newStorage creates what keeps traces beside Jaeger, where it is not Jaeger
// itself. It gives the server to wait for; nil where there is none of our own.
func newStorage(
	ctx *pulumi.Context, stack stacks.Stack, network pulumi.StringInput, owner components.Owner,
) (pulumi.Resource, error) {
	settings, names := stack.Settings, stack.Names
	if !settings.Jaeger.Storage.IsServer() {
		return nil, nil
	}
	var healthy pulumi.Resource
	if settings.OwnServer() {
		server, err := components.NewSearchServer(ctx, "server", components.SearchServerArgs{
			Storage:       settings.Jaeger.Storage,
			ContainerName: names.Server(settings.Jaeger.Storage),
			Image:         settings.ServerImage(),
			Password:      stack.ServerPassword(),
			HeapMiB:       settings.Jaeger.Server.HeapMiB,
			NetworkName:   network,
			Owner:         owner,
		})
		if err != nil {
			return nil, err
		}
		healthy = server.Healthy
	}
	_, err := components.NewIndexCleaner(ctx, "index-cleaner", components.IndexCleanerArgs{
		ContainerName: names.Cleaner(),
		Image:         settings.Jaeger.Server.CleanerImage,
		Server:        *stack.JaegerSpec().Server,
		Password:      stack.ServerPassword(),
		RetentionDays: settings.Jaeger.RetentionDays(),
		Storage:       healthy,
		NetworkName:   network,
		Owner:         owner,
	})
	return healthy, err
}
