// Command kubetracing is the command line of a traced cluster.
package main

import (
	"os"

	"github.com/kubetracing/kubetracing/infra/cli"
)

func main() { os.Exit(cli.Run(os.Args[1:])) }
