package catalog_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/internal/enginetest"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/components/workloads/catalog"
)

const all = tracing.SamplingRateMax

// find returns a workload of the catalog.
func find(t *testing.T, name string) catalog.Workload {
	t.Helper()
	workload, known := catalog.Find(name)
	require.True(t, known, name)
	return workload
}

// expected returns the expectations of a workload.
func expected(t *testing.T, name string, cluster tracing.ClusterSpec, collectorRate int) []verify.Expectation {
	t.Helper()
	return find(t, name).Expectations(catalog.Target{Cluster: cluster, CollectorRate: collectorRate})
}

func TestCatalog(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{"echo", "crashloop", "imagepull", "churn", "traced-app", "traced-operator"}, catalog.Names())
	for i, workload := range catalog.All() {
		assert.Equal(t, catalog.Names()[i], workload.Name)
		assert.NotEmpty(t, workload.Summary, workload.Name)
	}
	_, known := catalog.Find("ecco")
	assert.False(t, known)
}

func TestCatalog_Runs(t *testing.T) {
	t.Parallel()
	cluster := enginetest.ClusterSpec(t, "1.37")
	cluster.Runtime.Classes = []tracing.OCIRuntime{tracing.OCICrun}
	target := catalog.Target{Cluster: cluster, CollectorRate: all, OTLPAddress: "10.112.4.3"}
	for _, workload := range catalog.All() {
		var runs []string
		for _, run := range workload.Runs(target) {
			runs = append(runs, run.Name)
			assert.NotEqual(t, run.Script == "", len(run.Resources) == 0, "%s: either objects or a script", run.Name)
			var created []string
			for _, resource := range run.Resources {
				for _, id := range resource.After {
					assert.Contains(t, created, id, "%s: %s comes after what is created before it", run.Name, resource.ID())
				}
				created = append(created, resource.ID())
			}
			assert.Equal(t, slices.Compact(slices.Clone(created)), created)
			if len(run.Resources) > 0 {
				assert.Empty(t, run.Resources[len(run.Resources)-1].Suffix, "the last resource is the run")
			}
		}
		for _, expectation := range workload.Expectations(target) {
			assert.Contains(t, runs, expectation.Name, "an expectation is that of a run")
		}
	}
}

func TestCatalog_RunsAreIndependent(t *testing.T) {
	t.Parallel()
	target := catalog.Target{Cluster: enginetest.ClusterSpec(t, "1.37")}
	first := find(t, "echo").Runs(target)
	first[0].Resources[0].Fields["spec"] = "changed"
	assert.NotEqual(t, first, find(t, "echo").Runs(target))
}

func TestChurn_Script(t *testing.T) {
	t.Parallel()
	runs := find(t, "churn").Runs(catalog.Target{})
	require.Len(t, runs, 1)
	script := runs[0].Script
	const kubectl = "kubectl --namespace kubetracing "
	const wait = kubectl + "wait --for jsonpath={.status.phase}=Succeeded --timeout 120s pods --selector kubetracing=churn"

	t.Run("creates, waits and deletes", func(t *testing.T) {
		t.Parallel()
		enginetest.EveryShell(t, func(t *testing.T, shell *enginetest.Shell) {
			shell.Check(t, script)
			shell.Tool(t, "kubectl", `case "$*" in *" create "*) cat > "$FOLDER/created" ;; *" delete "*) cat > "$FOLDER/deleted" ;; esac`)
			got := shell.RunStdin(t, script)
			require.Zero(t, got.Code, got.Stderr)
			assert.Empty(t, got.Stdout)
			assert.Equal(t, "kubetracing: creating 20 config maps and 5 pods\nkubetracing: deleting them\n", got.Stderr)
			assert.Equal(t, []string{
				kubectl + "delete --ignore-not-found --filename -", kubectl + "create --filename -", wait, kubectl + "delete --filename -",
			}, shell.Calls(t))
			created := shell.Read(t, "created")
			assert.Equal(t, created, shell.Read(t, "deleted"))
			var list struct {
				APIVersion, Kind string
				Items            []map[string]any
			}
			require.NoError(t, json.Unmarshal([]byte(created), &list))
			assert.Equal(t, "v1 List", list.APIVersion+" "+list.Kind)
			require.Len(t, list.Items, 25)
			assert.Equal(t, map[string]any{
				"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "churn-20"}, "data": map[string]any{"number": "20"},
			}, list.Items[19])
			assert.Equal(t, map[string]any{
				"apiVersion": "v1", "kind": "Pod",
				"metadata": map[string]any{"name": "churn-5", "labels": map[string]any{"kubetracing": "churn"}},
				"spec": map[string]any{
					"restartPolicy": "Never", "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 1.0,
					"containers": []any{map[string]any{
						"name": "churn-5", "image": "docker.io/library/busybox:1.37.0", "command": []any{"true"},
					}},
				},
			}, list.Items[24])
		})
	})
	t.Run("shows pods that do not run to their end", func(t *testing.T) {
		t.Parallel()
		enginetest.EveryShell(t, func(t *testing.T, shell *enginetest.Shell) {
			shell.Tool(t, "kubectl", `case "$*" in *" wait "*) exit 1 ;; *" get pods "*) echo "churn-1 0/1 ImagePullBackOff" ;;
				*" events "*) printf 'pod %s does not start: Failed: no image\n' echo churn-1 churn-2 ;; *"--filename -") cat > /dev/null ;; esac`)
			got := shell.RunStdin(t, script)
			assert.Equal(t, 1, got.Code)
			assert.Contains(t, got.Stderr, "kubetracing: the pods of churn did not run to their end:\nchurn-1 0/1 ImagePullBackOff\n"+
				"pod churn-1 does not start: Failed: no image\npod churn-2 does not start: Failed: no image\n")
		})
	})
	t.Run("fails if Kubernetes does not answer", func(t *testing.T) {
		t.Parallel()
		enginetest.EveryShell(t, func(t *testing.T, shell *enginetest.Shell) {
			shell.Tool(t, "kubectl", "cat > /dev/null; echo 'connection refused' >&2; exit 1")
			got := shell.RunStdin(t, script)
			assert.NotZero(t, got.Code)
			assert.Contains(t, got.Stderr, "connection refused")
			assert.Len(t, shell.Calls(t), 1)
		})
	})
}

// scriptsOf returns the scripts of a workload by their names.
func scriptsOf(t *testing.T, workload string) map[string]any {
	t.Helper()
	for _, resource := range find(t, workload).Runs(catalog.Target{})[0].Resources {
		if resource.Suffix == "-scripts" {
			return resource.Fields["data"].(map[string]any)
		}
	}
	require.Fail(t, "no scripts", workload)
	return nil
}

func TestTracedApp_Scripts(t *testing.T) {
	t.Parallel()
	scripts := scriptsOf(t, "traced-app")
	require.Len(t, scripts, 3)
	enginetest.EveryShell(t, func(t *testing.T, shell *enginetest.Shell) {
		for name, script := range scripts {
			assert.True(t, strings.HasSuffix(name, ".sh"))
			shell.Check(t, script.(string))
		}
	})
}

func TestTracedOperator_Script(t *testing.T) {
	t.Parallel()
	scripts := scriptsOf(t, "traced-operator")
	require.Len(t, scripts, 2)
	const objects = "https://10.43.0.1:443/api/v1/namespaces/kubetracing/configmaps"
	const credentials = " --cacert /certificates/ca.crt --cert /credentials/tls.crt --key /credentials/tls.key "
	tests := map[string]struct {
		// get is what the API server answers when it is asked for the object.
		get   string
		spans []string
		// patched is whether the copy is written.
		patched bool
	}{
		"copies the greeting": {
			get:   `printf '{"metadata":{"name":"traced-operator","uid":"u-1"},"data":{"greeting":"hello"}}'`,
			spans: []string{"GET configmaps", "PATCH configmaps", "reconcile"}, patched: true,
		},
		"sends the trace of a failure": {get: "exit 22", spans: []string{"GET configmaps", "reconcile"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enginetest.EveryShell(t, func(t *testing.T, shell *enginetest.Shell) {
				// One event, then no API server any more.
				shell.Tool(t, "curl", `
case "$*" in
--span*) printf '%s\n' "$2" >> "$FOLDER/spans" ;;
*watch=1*) [ ! -e "$FOLDER/watched" ] || exit 7; touch "$FOLDER/watched"; echo '{"type":"ADDED"}' ;;
*PATCH*) while [ "$1" != --data ]; do shift; done; printf '%s' "$2" > "$FOLDER/patch" ;;
*) `+test.get+` ;;
esac`)
				// Functions win over a shell's own commands. The pause before the second watch
				// ends the script.
				const functions = "wget() { while [ \"$1\" != --post-data ]; do shift; done; curl --span \"$2\"; }\nsleep() { exit 3; }\n"
				script := strings.ReplaceAll(scripts["operator.sh"].(string), ". /scripts/spans.sh", scripts["spans.sh"].(string))
				shell.Check(t, script)
				got := shell.Run(t, functions+script, map[string]string{
					"KUBERNETES_SERVICE_HOST": "10.43.0.1", "KUBERNETES_SERVICE_PORT": "443", "NAMESPACE": "kubetracing",
					"OBJECT": "traced-operator", "OTEL_SERVICE_NAME": "traced-operator", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://10.112.4.3:4318",
					"HOSTNAME": "traced-operator",
				})
				assert.Equal(t, 3, got.Code, got.Stderr)

				var names, traces, parents, ids []string
				for _, body := range strings.Split(strings.TrimSpace(shell.Read(t, "spans")), "\n{\"resourceSpans\"") {
					for field, values := range map[string]*[]string{"name": &names, "traceId": &traces, "parentSpanId": &parents, "spanId": &ids} {
						found := regexp.MustCompile(`"` + field + `":"([^"]*)","(?:kind|spanId|parentSpanId|startTimeUnixNano)|"` + field + `":"([^"]*)",\n`).FindStringSubmatch(body)
						require.NotNil(t, found, "%s in %s", field, body)
						*values = append(*values, found[1]+found[2])
					}
				}
				require.Equal(t, test.spans, names)
				root := ids[len(ids)-1]
				for i := range names {
					assert.Equal(t, traces[0], traces[i], "one trace")
					assert.Equal(t, map[bool]string{true: "", false: root}[i == len(names)-1], parents[i], names[i])
				}
				var calls []string
				for _, call := range shell.Calls(t) {
					if strings.HasPrefix(call, "curl --silent ") {
						calls = append(calls, call)
					}
				}
				const prefix = "curl --silent --show-error --fail --request "
				assert.Equal(t, prefix+"GET"+credentials+"--no-buffer "+objects+"?watch=1&timeoutSeconds=300&fieldSelector=metadata.name%3Dtraced-operator", calls[0])
				assert.Equal(t, prefix+"GET"+credentials+"--max-time 10 --header traceparent: 00-"+traces[0]+"-"+ids[0]+"-01 "+objects+"/traced-operator", calls[1])
				if !test.patched {
					assert.Empty(t, shell.Read(t, "patch"))
					return
				}
				assert.JSONEq(t, `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "traced-operator-copy",
					"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "traced-operator", "uid": "u-1"}]},
					"data": {"greeting": "hello"}}`, shell.Read(t, "patch"))
			})
		})
	}
}

func TestTracedOperator_Expectations(t *testing.T) {
	t.Parallel()
	own := []verify.SpanMatch{
		{Service: "traced-operator", Operation: "reconcile"}, {Service: "traced-operator", Operation: "PATCH configmaps"},
	}
	apiServer := verify.SpanMatch{Service: "apiserver", Operation: "PATCH /api/v1/namespaces/{:namespace}/configmaps/{:name}"}
	etcd := verify.SpanMatch{Service: "etcd", Operation: "etcdserverpb.KV/Txn"}
	for name, test := range map[string]struct {
		kubernetes string
		sampling   tracing.Sampling
		want       []verify.SpanMatch
	}{
		"a trace that ends before kube-apiserver":       {"1.32", tracing.Sampling{APIServer: all, Etcd: all}, own},
		"a trace that kube-apiserver and etcd continue": {"1.33", tracing.Sampling{Etcd: 1}, append(slices.Clone(own), apiServer, etcd)},
		"a store that sends no spans":                   {"1.37", tracing.Sampling{}, append(slices.Clone(own), apiServer)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := enginetest.ClusterSpec(t, test.kubernetes)
			spec.Sampling = test.sampling
			got := expected(t, "traced-operator", spec, all)
			require.Len(t, got, 1)
			assert.Equal(t, verify.Expectation{
				Name: "traced-operator", Spans: test.want, NoErrors: true,
				Hint: "docker exec k3d-traced-server-0 kubectl --namespace kubetracing logs traced-operator",
			}, got[0])
			assert.Empty(t, expected(t, "traced-operator", spec, all-1), "the Collector may drop any trace")
		})
	}
}

func TestEcho_Expectations(t *testing.T) {
	t.Parallel()
	sandbox := []verify.SpanMatch{
		{Service: "kubelet", Operation: "runtime.v1.RuntimeService/RunPodSandbox"},
		{Service: "containerd", Operation: "runtime.v1.RuntimeService/RunPodSandbox"},
	}
	named := verify.SpanMatch{
		Service: "kubelet", Operation: "syncPod", Attributes: map[string]string{"k8s.pod": "kubetracing/echo"},
	}
	const describe = "docker exec k3d-traced-server-0 kubectl --namespace kubetracing describe pod echo"
	full := tracing.Sampling{APIServer: all, Etcd: all, Kubelet: all, Runtime: all}
	tests := map[string]struct {
		kubernetes string
		sampling   tracing.Sampling
		collector  int
		want       []verify.Expectation
	}{
		"a new kubelet names the pod":              {"1.37", full, all, []verify.Expectation{{Name: "echo", Spans: append(sandbox[:2:2], named), Hint: describe}}},
		"the oldest kubelet does not name the pod": {"1.25", full, all, []verify.Expectation{{Name: "echo", Spans: sandbox, Hint: describe}}},
		"the rates of kube-apiserver and etcd do not matter": {
			"1.25", tracing.Sampling{Kubelet: all, Runtime: all}, all, []verify.Expectation{{Name: "echo", Spans: sandbox, Hint: describe}},
		},
		"a kubelet that drops one trace in a million may drop this one": {
			"1.37", tracing.Sampling{Kubelet: all - 1, Runtime: all}, all, nil,
		},
		"a runtime that is off leaves no trace to expect": {"1.37", tracing.Sampling{Kubelet: all}, all, nil},
		"a Collector that drops traces may drop this one": {"1.37", full, all - 1, nil},
		"a Collector that drops everything":               {"1.37", full, 0, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := enginetest.ClusterSpec(t, test.kubernetes)
			spec.Sampling = test.sampling
			assert.Equal(t, test.want, expected(t, "echo", spec, test.collector))
		})
	}
}

// The kubelet of 1.25 does not trace its calls about images.
func TestImagePull_Expectations(t *testing.T) {
	t.Parallel()
	yes := true
	pull := func(service string, failed *bool) verify.SpanMatch {
		return verify.SpanMatch{Service: service, Operation: "runtime.v1.ImageService/PullImage", Error: failed}
	}
	for minor, want := range map[string][]verify.SpanMatch{
		"1.25": {pull("containerd", &yes)},
		"1.37": {pull("kubelet", &yes), pull("containerd", nil), {
			Service: "kubelet", Operation: "syncPod", Attributes: map[string]string{"k8s.pod": "kubetracing/imagepull"},
		}},
	} {
		spec := enginetest.ClusterSpec(t, minor)
		spec.Sampling = tracing.Sampling{Kubelet: all, Runtime: all}
		got := expected(t, "imagepull", spec, all)
		require.Len(t, got, 1)
		assert.Equal(t, want, got[0].Spans, minor)
	}
}

func TestCatalog_Expectations(t *testing.T) {
	t.Parallel()
	of := func(service, operation string) verify.SpanMatch {
		return verify.SpanMatch{Service: service, Operation: operation}
	}
	pod := func(name string) verify.SpanMatch {
		return verify.SpanMatch{Service: "kubelet", Operation: "syncPod", Attributes: map[string]string{"k8s.pod": "kubetracing/" + name}}
	}
	tests := map[string]struct {
		traces   int
		noErrors bool
		spans    []verify.SpanMatch
		named    []verify.SpanMatch
	}{
		"crashloop": {2, false, []verify.SpanMatch{
			of("kubelet", "runtime.v1.RuntimeService/StartContainer"), of("containerd", "runtime.v1.RuntimeService/StartContainer"),
		}, []verify.SpanMatch{pod("crashloop")}},
		"churn": {5, false, []verify.SpanMatch{
			of("kubelet", "runtime.v1.RuntimeService/RunPodSandbox"), of("containerd", "runtime.v1.RuntimeService/RunPodSandbox"),
		}, []verify.SpanMatch{pod("churn-*")}},
		"traced-app": {3, true, []verify.SpanMatch{of("traced-app-client", "GET /hello"), of("traced-app", "GET /hello")}, nil},
	}
	for workload, test := range tests {
		t.Run(workload, func(t *testing.T) {
			t.Parallel()
			for minor, spans := range map[string][]verify.SpanMatch{"1.25": test.spans, "1.37": append(test.spans[:2:2], test.named...)} {
				spec := enginetest.ClusterSpec(t, minor)
				spec.Sampling = tracing.Sampling{Kubelet: all, Runtime: all}
				got := expected(t, workload, spec, all)
				require.Len(t, got, 1)
				assert.Contains(t, got[0].Hint, "docker exec k3d-traced-server-0 kubectl --namespace kubetracing ")
				got[0].Hint = ""
				assert.Equal(t, verify.Expectation{Name: workload, Traces: test.traces, NoErrors: test.noErrors, Spans: spans}, got[0], minor)

				assert.Empty(t, expected(t, workload, spec, all-1), "the Collector may drop any trace")
				spec.Sampling.Kubelet = all - 1
				assert.Equal(t, workload == "traced-app", len(expected(t, workload, spec, all)) == 1,
					"only an application's own spans do not depend on Kubernetes' rates")
			}
		})
	}
}

func TestEcho_Expectations_RuntimeClasses(t *testing.T) {
	t.Parallel()
	traces := func(kubernetes string) (names, pods []string) {
		spec := enginetest.ClusterSpec(t, kubernetes)
		spec.Runtime.Classes = []tracing.OCIRuntime{tracing.OCIRunc, tracing.OCIYouki}
		for _, expectation := range expected(t, "echo", spec, all) {
			names = append(names, expectation.Name)
			for _, span := range expectation.Spans {
				if pod := span.Attributes["k8s.pod"]; pod != "" {
					pods = append(pods, pod)
				}
			}
		}
		return names, pods
	}
	names, pods := traces("1.37")
	assert.Equal(t, []string{"echo", "echo-runc", "echo-youki"}, names)
	assert.Equal(t, []string{"kubetracing/echo", "kubetracing/echo-runc", "kubetracing/echo-youki"}, pods)
	names, pods = traces("1.26")
	assert.Equal(t, []string{"echo"}, names, "without the pod's name, one trace is like another")
	assert.Empty(t, pods)
}
