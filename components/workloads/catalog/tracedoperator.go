package catalog

import (
	_ "embed"
	"fmt"

	"github.com/kubetracing/kubetracing/components/internal/manifest"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

// TracedOperator is the name of the workload traced-operator, of its pod, its user and
// the object that it reconciles.
const TracedOperator = "traced-operator"

// curlImage has a shell and a client that authenticates with a certificate. It is
// named by its tag, like image: what k3s imports without a network has no digest.
const curlImage = "docker.io/curlimages/curl:8.17.0"

//go:embed scripts/traced-operator.sh
var tracedOperatorScript string

// tracedOperator is a reconciler whose traces go on in kube-apiserver and etcd, however
// little those sample: it sends its trace context, and is in a group from which
// kube-apiserver accepts one. A service account never is.
var tracedOperator = Workload{
	Name:    TracedOperator,
	Summary: "a reconciler whose traces kube-apiserver continues",
	Runs: func(target Target) []Run {
		scripts := Resource{Suffix: "-scripts", Object: manifest.Object{
			APIVersion: "v1", Kind: "ConfigMap", Name: TracedOperator + "-scripts",
			Fields: manifest.Map{"data": manifest.Map{spansFile: spansLibrary, "operator.sh": tracedOperatorScript}},
		}}
		object := Resource{Suffix: "-object", Object: manifest.Object{
			APIVersion: "v1", Kind: "ConfigMap", Name: TracedOperator,
			Fields: manifest.Map{"data": manifest.Map{"greeting": "hello"}},
		}}
		role := Resource{Suffix: "-role", Object: manifest.Object{
			APIVersion: "rbac.authorization.k8s.io/v1", Kind: "Role", Name: TracedOperator,
			Fields: manifest.Map{"rules": manifest.List{manifest.Map{
				"apiGroups": manifest.List{""}, "resources": manifest.List{"configmaps"},
				"verbs": manifest.List{"get", "list", "watch", "create", "patch"},
			}}},
		}}
		binding := Resource{Suffix: "-role-binding", After: []string{role.ID()}, Object: manifest.Object{
			APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding", Name: TracedOperator,
			Fields: manifest.Map{
				"roleRef":  manifest.Map{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": TracedOperator},
				"subjects": manifest.List{manifest.Map{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": TracedOperator}},
			},
		}}
		operator := tracedOperatorPod(target)
		operator.After = []string{scripts.ID(), object.ID(), binding.ID()}
		runs := single(TracedOperator, scripts, object, role, binding, operator)
		runs[0].Client = &Client{User: TracedOperator, Groups: []string{tracing.MonitoringGroup}}
		return runs
	},
	Expectations: func(target Target) []verify.Expectation {
		if target.CollectorRate < tracing.SamplingRateMax {
			return nil
		}
		spans := []verify.SpanMatch{
			{Service: TracedOperator, Operation: "reconcile"},
			{Service: TracedOperator, Operation: "PATCH configmaps"},
		}
		if target.Cluster.Release.Rules.ContinuesTraces {
			spans = append(spans, verify.SpanMatch{
				Service: tracing.ServiceAPIServer, Operation: "PATCH /api/v1/namespaces/{:namespace}/configmaps/{:name}",
			})
			if target.Cluster.Sampling.Etcd > 0 {
				spans = append(spans, verify.SpanMatch{Service: tracing.ServiceEtcd, Operation: "etcdserverpb.KV/Txn"})
			}
		}
		return []verify.Expectation{{
			Name: TracedOperator, Spans: spans, NoErrors: true, Hint: target.kubectl("logs " + TracedOperator),
		}}
	},
}

// tracedOperatorPod returns the pod of the reconciler. Its spans go to the receiver's
// fixed address: pods reach the nodes' network.
func tracedOperatorPod(target Target) Resource {
	mount := func(name string) manifest.Map {
		return manifest.Map{"name": name, "mountPath": "/" + name, "readOnly": true}
	}
	operator := pod(TracedOperator, "Always", manifest.Map{
		"image":        curlImage,
		"command":      manifest.List{"sh", "/scripts/operator.sh"},
		"volumeMounts": manifest.List{mount("scripts"), mount("certificates"), mount("credentials")},
		"env": manifest.List{
			variable("OTEL_EXPORTER_OTLP_ENDPOINT", fmt.Sprintf("http://%s:%d", target.OTLPAddress, tracing.OTLPHTTPPort)),
			variable("OTEL_SERVICE_NAME", TracedOperator),
			variable("NAMESPACE", Namespace),
			variable("OBJECT", TracedOperator),
		},
	})
	spec := operator.Fields["spec"].(manifest.Map)
	spec["terminationGracePeriodSeconds"] = 1
	spec["volumes"] = manifest.List{
		manifest.Map{"name": "scripts", "configMap": manifest.Map{"name": TracedOperator + "-scripts"}},
		// Kubernetes creates it in every namespace.
		//
		// Source: kubernetes pkg/controller/certificates/rootcacertpublisher/publisher.go.
		manifest.Map{"name": "certificates", "configMap": manifest.Map{"name": "kube-root-ca.crt"}},
		manifest.Map{"name": "credentials", "secret": manifest.Map{"secretName": TracedOperator}},
	}
	return operator
}
