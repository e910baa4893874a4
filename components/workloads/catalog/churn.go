package catalog

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/kubetracing/kubetracing/components/internal/manifest"
	"github.com/kubetracing/kubetracing/components/verify"
)

// Churn is the name of the workload churn, and the prefix of its objects' names.
const Churn = "churn"

// What churn creates and deletes: enough for kube-apiserver, etcd, kubelet and
// runtime to be seen at work, few enough to take only seconds.
const (
	churnPods       = 5
	churnConfigMaps = 20
)

// churnLabel is on the pods of churn.
const churnLabel = "kubetracing"

//go:embed scripts/churn.sh
var churnScript string

// churn creates pods and config maps, waits until the pods have run and deletes
// everything again. It is a script, not objects of the stack: it is about their
// creation and deletion.
var churn = Workload{
	Name:    Churn,
	Summary: "creates and deletes pods and config maps",
	Runs:    func(Target) []Run { return []Run{{Name: Churn, Script: renderChurn()}} },
	Expectations: func(target Target) []verify.Expectation {
		if !target.podTraced() {
			return nil
		}
		return []verify.Expectation{{
			Name: Churn, Traces: churnPods,
			Spans: append(target.call(criRunPodSandbox), target.syncPod(Churn+"-*")...),
			Hint:  target.kubectl("get events"),
		}}
	},
}

// renderChurn returns the script with the objects that it creates.
func renderChurn() string {
	list, err := json.MarshalIndent(manifest.Map{"apiVersion": "v1", "kind": "List", "items": churnObjects()}, "", " ")
	if err != nil {
		panic(fmt.Sprintf("encode the objects of %s: %v", Churn, err)) // constants, which the tests encode
	}
	return fmt.Sprintf("NAMESPACE=%s\nCONFIG_MAPS=%d\nPODS=%d\nSELECTOR=%s=%s\nobjects() {\n  cat << 'OBJECTS'\n%s\nOBJECTS\n}\n%s",
		Namespace, churnConfigMaps, churnPods, churnLabel, Churn, list, churnScript)
}

// churnObjects returns what churn creates and deletes.
func churnObjects() []manifest.Object {
	var objects []manifest.Object
	for i := 1; i <= churnConfigMaps; i++ {
		objects = append(objects, manifest.Object{
			APIVersion: "v1", Kind: "ConfigMap", Name: fmt.Sprintf("%s-%d", Churn, i),
			Fields: manifest.Map{"data": manifest.Map{"number": fmt.Sprint(i)}},
		})
	}
	for i := 1; i <= churnPods; i++ {
		pod := pod(fmt.Sprintf("%s-%d", Churn, i), "Never", manifest.Map{"image": image, "command": manifest.List{"true"}}).Object
		pod.Annotations = nil
		pod.Labels = map[string]string{churnLabel: Churn}
		pod.Fields["spec"].(manifest.Map)["terminationGracePeriodSeconds"] = 1
		objects = append(objects, pod)
	}
	return objects
}
