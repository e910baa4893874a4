package engine_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/kubetracing/kubetracing/components/verify"
)

// kind is a type of resource as its real provider manages it.
type kind struct {
	// replacedBy reports whether a change of an input replaces the resource; else it
	// is updated in place.
	replacedBy func(input string) bool
	// outputs returns the outputs beyond the inputs. number counts the operations, so
	// that no two resources have the same outputs.
	outputs func(name string, number int) map[string]string
}

func anyOf(inputs ...string) func(string) bool {
	return func(input string) bool { return slices.Contains(inputs, input) }
}

func allExcept(inputs ...string) func(string) bool {
	return func(input string) bool { return !slices.Contains(inputs, input) }
}

// commandKinds are the command provider's.
//
// Source: pulumi-command v1.2.1 provider/pkg/provider/common/inputs.go
// (replaceOnChanges); every output depends on every input
// (provider/pkg/provider/local/commandController.go).
var commandKinds = map[string]kind{
	"command:local:Command": {anyOf("triggers"), commandOutputs},
}

// dockerKinds are the Docker provider's.
//
// Sources: ForceNew in kreuzwerker/terraform-provider-docker v3.9.0
// internal/provider/resource_docker_{container,image,network,volume}.go;
// pulumi-docker v4.11.2 provider/provider.go (Diff) for Image.
var dockerKinds = map[string]kind{
	"docker:index/container:Container": {allExcept(
		"attach", "containerReadRefreshTimeoutMilliseconds", "cpuSet", "cpuShares", "healthcheck", "logs",
		"maxRetryCount", "memory", "memorySwap", "mustRun", "removeVolumes", "restart", "start", "wait", "waitTimeout",
	), nil},
	"docker:index/image:Image":             {anyOf(), nil},
	"docker:index/network:Network":         {allExcept(), nil},
	"docker:index/remoteImage:RemoteImage": {allExcept("forceRemove", "keepLocally"), nil},
	"docker:index/volume:Volume":           {allExcept(), nil},
}

// kubernetesKinds are the Kubernetes provider's, for the workloads' resources: they are
// created and deleted, or change what cannot change in place.
//
// Source: pulumi-kubernetes provider/pkg/provider/diff.go (forceNewProperties).
var kubernetesKinds = map[string]kind{
	"kubernetes:core/v1:Namespace": {anyOf("metadata"), nil},
	"kubernetes:core/v1:Pod":       {anyOf("metadata", "spec"), nil},
}

// privateKey stands in every kubeconfig where a private key would.
const privateKey = "TheAdministratorsPrivateKey"

// commandOutputs returns what a command prints on standard output.
func commandOutputs(name string, number int) map[string]string {
	switch {
	case strings.HasSuffix(name, "-kubeconfig"):
		return map[string]string{"stdout": fmt.Sprintf(
			"apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    client-key-data: %s%d\n", privateKey, number)}
	case strings.HasSuffix(name, "-identity"):
		return map[string]string{"stdout": fmt.Sprint("IDENTITY", number)}
	case strings.Contains(name, "-verification-"):
		printed, err := json.Marshal(verify.Outputs{
			Services: map[string]int{"kubelet": 7},
			Traces:   map[string]string{"echo": "http://127.0.0.1:16686/trace/1"},
		})
		if err != nil {
			panic(err)
		}
		return map[string]string{"stdout": string(printed)}
	}
	return map[string]string{"stdout": ""}
}
