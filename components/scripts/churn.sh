set -eu

in_cluster() { docker exec -i "$NODE" kubectl --namespace "$NAMESPACE" "$@"; }

objects() {
  i=1
  while [ "$i" -le "$CONFIG_MAPS" ]; do
    printf '%s\n' --- 'apiVersion: v1' 'kind: ConfigMap' "metadata: {name: $PREFIX-$i}" "data: {number: \"$i\"}"
    i=$((i + 1))
  done
  i=1
  while [ "$i" -le "$PODS" ]; do
    printf '%s\n' --- 'apiVersion: v1' 'kind: Pod' "metadata: {name: $PREFIX-$i, labels: {kubetracing: $PREFIX}}" 'spec:' \
      '  restartPolicy: Never' '  automountServiceAccountToken: false' '  terminationGracePeriodSeconds: 1' \
      "  containers: [{name: $PREFIX, image: $IMAGE, command: ['true']}]"
    i=$((i + 1))
  done
}

# An interrupted run may have left some of them.
objects | in_cluster delete --ignore-not-found --filename - > /dev/null
echo "kubetracing: creating $CONFIG_MAPS config maps and $PODS pods" >&2
objects | in_cluster create --filename - > /dev/null
if ! in_cluster wait --for 'jsonpath={.status.phase}=Succeeded' --timeout 120s pods --selector "kubetracing=$PREFIX" > /dev/null; then
  echo "kubetracing: the pods of $PREFIX did not run to their end:" >&2
  in_cluster get pods --selector "kubetracing=$PREFIX" --output wide >&2
  in_cluster get events --field-selector type=Warning >&2
  exit 1
fi
echo "kubetracing: deleting them" >&2
objects | in_cluster delete --filename - > /dev/null
