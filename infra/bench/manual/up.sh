set -eu
cat > otel-collector.yaml <<'YAML'
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 0.0.0.0:4317
      http:
        endpoint: 0.0.0.0:4318
processors:
  probabilistic_sampler:
    hash_seed: 22
    sampling_percentage: 100
  batch:
    timeout: 100ms
exporters:
  debug:
    verbosity: detailed
  otlp/jaeger:
    endpoint: jaeger:4317
    tls:
      insecure: true
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [probabilistic_sampler, batch]
      exporters: [otlp/jaeger, debug]
YAML
cat > config/apiserver-tracing.yaml <<'YAML'
apiVersion: apiserver.config.k8s.io/v1alpha1
kind: TracingConfiguration
endpoint: host.k3d.internal:4317
samplingRatePerMillion: 1000000
YAML
cat > config/kubelet-tracing.yaml <<'YAML'
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
tracing:
  endpoint: host.k3d.internal:4317
  samplingRatePerMillion: 1000000
YAML
# Kubernetes 1.25 and 1.26 need their gates, 1.25 the cure for its panic.
set --
case "$K3S" in
  *v1.25.* | *v1.26.*)
    echo 'featureGates: {KubeletTracing: true}' >> config/kubelet-tracing.yaml
    set -- --k3s-arg '--kube-apiserver-arg=feature-gates=APIServerTracing=true@server:*' \
      --k3s-arg '--kube-apiserver-arg=egress-selector-config-file=@server:*'
    ;;
esac
if [ -n "${ETCD:-}" ]; then
  set -- "$@" --k3s-arg '--cluster-init@server:0'
fi

docker network create manual
docker run --detach --name manual-jaeger --network manual --network-alias jaeger \
  --publish 16990:16686 --restart unless-stopped "$JAEGER"
docker run --detach --name manual-collector --network manual --publish 4317:4317 \
  --volume "$PWD/otel-collector.yaml:/otel-local-config.yaml" "$COLLECTOR" --config /otel-local-config.yaml
# Add-ons are off on both sides: they cost both the same.
k3d cluster create tracingcluster --image "$K3S" --kubeconfig-update-default=false --api-port 127.0.0.1:6990 \
  --volume "$PWD/config:/etc/kube-tracing@server:*" \
  --k3s-arg '--kube-apiserver-arg=tracing-config-file=/etc/kube-tracing/apiserver-tracing.yaml@server:*' \
  --k3s-arg '--kubelet-arg=config=/etc/kube-tracing/kubelet-tracing.yaml@server:*' \
  --k3s-arg '--disable=metrics-server,servicelb,traefik@server:*' "$@"
k3d kubeconfig get tracingcluster > kubeconfig
export KUBECONFIG="$PWD/kubeconfig"
# A person's kubectl run only works once the account is there.
until kubectl get serviceaccount default; do sleep 0.3; done
kubectl run --restart=Never --image=docker.io/library/busybox:1.37.0 echo-command -- echo hi
until [ "$(kubectl get pod echo-command -o 'jsonpath={.status.phase}')" = Succeeded ]; do sleep 0.3; done
