set -eu
: "${KUBETRACING_STATE:?must name the state of the cluster to delete}"
nodes=$(docker ps --all --filter "label=k3d.cluster=$CLUSTER" \
  --format '{{.Label "k3d.role"}} {{.Label "kubetracing.state"}}')
if [ -z "$nodes" ]; then exit 0; fi
# Ours has a server, and every server and agent carries our label.
if ! printf '%s\n' "$nodes" | grep -qxF "server $KUBETRACING_STATE" ||
  printf '%s\n' "$nodes" | grep -E '^(server|agent) ' | grep -qvxF -e "server $KUBETRACING_STATE" -e "agent $KUBETRACING_STATE"; then
  echo "kubetracing: leaving k3d cluster $CLUSTER alone: it does not belong to this stack" >&2
  exit 0
fi
exec k3d cluster delete "$CLUSTER" >&2
