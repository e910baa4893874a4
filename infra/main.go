// Command kubetracing is the Pulumi program of a traced cluster and, run by
// hand, its command line.
package main

import (
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/infra/cli"
)

func main() {
	// Pulumi runs its programs with the address of its engine in the environment.
	if os.Getenv(pulumi.EnvMonitor) != "" {
		pulumi.Run(program)
		return
	}
	os.Exit(cli.Run(os.Args[1:], compose))
}
