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
	// replacedBy tells whether a change of an input replaces the resource; else it
	// is updated in place.
	replacedBy func(input string) bool
	// outputs are what the resource says beyond its inputs. number counts the
	// operations, so that no two resources say the same.
	outputs func(name string, number int) map[string]string
}

func onlyBy(inputs ...string) func(string) bool {
	return func(input string) bool { return slices.Contains(inputs, input) }
}

func byAllBut(inputs ...string) func(string) bool {
	return func(input string) bool { return !slices.Contains(inputs, input) }
}

// commandKinds are the command provider's.
//
// Source: pulumi-command v1.2.1 provider/pkg/provider/common/inputs.go
// (replaceOnChanges); every output depends on every input
// (provider/pkg/provider/local/commandController.go).
var commandKinds = map[string]kind{
	"command:local:Command": {onlyBy("triggers"), printed},
}

// dockerKinds are the Docker provider's.
//
// Sources: ForceNew in kreuzwerker/terraform-provider-docker v3.9.0
// internal/provider/resource_docker_{container,image,network,volume}.go;
// pulumi-docker v4.11.2 provider/provider.go (Diff) for Image.
var dockerKinds = map[string]kind{
	"docker:index/container:Container": {byAllBut(
		"attach", "containerReadRefreshTimeoutMilliseconds", "cpuSet", "cpuShares", "healthcheck", "logs",
		"maxRetryCount", "memory", "memorySwap", "mustRun", "removeVolumes", "restart", "start", "wait", "waitTimeout",
	), nil},
	"docker:index/image:Image":             {onlyBy(), nil},
	"docker:index/network:Network":         {byAllBut(), nil},
	"docker:index/remoteImage:RemoteImage": {byAllBut("forceRemove", "keepLocally"), nil},
	"docker:index/volume:Volume":           {byAllBut(), nil},
}

// kubernetesKinds are the Kubernetes provider's, as far as the workloads go: they
// only come and go, or change what cannot change in place.
//
// Source: pulumi-kubernetes provider/pkg/provider/diff.go (forceNewProperties).
var kubernetesKinds = map[string]kind{
	"kubernetes:core/v1:Namespace": {onlyBy("metadata"), nil},
	"kubernetes:core/v1:Pod":       {onlyBy("metadata", "spec"), nil},
}

// privateKey stands in every kubeconfig where a private key would.
const privateKey = "TheAdministratorsPrivateKey"

// printed is what a command says on standard output.
func printed(name string, number int) map[string]string {
	switch {
	case strings.HasSuffix(name, "-kubeconfig"):
		return map[string]string{"stdout": fmt.Sprintf(
			"apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    client-key-data: %s%d\n", privateKey, number)}
	case strings.HasSuffix(name, "-identity"):
		return map[string]string{"stdout": fmt.Sprint("IDENTITY", number)}
	case strings.Contains(name, "-verification-"):
		seen, err := json.Marshal(verify.Outputs{
			Services: map[string]int{"kubelet": 7},
			Traces:   map[string]string{"echo": "http://127.0.0.1:16686/trace/1"},
		})
		if err != nil {
			panic(err)
		}
		return map[string]string{"stdout": string(seen)}
	}
	return map[string]string{"stdout": ""}
}
