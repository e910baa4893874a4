// Command kubernetes reads a configuration file on standard input with the code
// of one Kubernetes minor (versions/*.mod choose which) and prints what that
// release decoded as JSON. It fails with the release's own error.
//
//	kubernetes apiserver [feature gates, as A=true,B=false] < tracing.yaml
//	kubernetes kubelet < kubelet.yaml
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	decoded, err := read(os.Args[1:], os.Stdin)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(decoded)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(args []string, in io.Reader) (any, error) {
	data, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	switch {
	case len(args) == 2 && args[0] == "apiserver":
		return readAPIServerTracing(data, args[1])
	case len(args) == 1 && args[0] == "apiserver":
		return readAPIServerTracing(data, "")
	case len(args) == 1 && args[0] == "kubelet":
		return readKubelet(data)
	}
	return nil, fmt.Errorf("usage: kubernetes apiserver [GATES] | kubernetes kubelet, got %q", args)
}
