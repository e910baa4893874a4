set -eu

in_namespace() { kubectl --namespace "$NAMESPACE" "$@"; }

# An interrupted run may have left some of them.
objects | in_namespace delete --ignore-not-found --filename - > /dev/null
echo "kubetracing: creating $CONFIG_MAPS config maps and $PODS pods" >&2
objects | in_namespace create --filename - > /dev/null
if ! in_namespace wait --for 'jsonpath={.status.phase}=Succeeded' --timeout 120s pods --selector "$SELECTOR" > /dev/null; then
  echo "kubetracing: the pods of churn did not run to their end:" >&2
  in_namespace get pods --selector "$SELECTOR" --output wide >&2
  in_namespace get events --field-selector type=Warning,involvedObject.kind=Pod --sort-by .lastTimestamp --output \
    'jsonpath={range .items[*]}pod {.involvedObject.name} does not start: {.reason}: {.message}{"\n"}{end}' |
    grep '^pod churn-' | tail -n 5 >&2
  exit 1
fi
echo "kubetracing: deleting them" >&2
objects | in_namespace delete --filename - > /dev/null
