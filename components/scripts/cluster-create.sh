
give_up() {
  say "removing the cluster that did not come up"
  k3d cluster delete "$CLUSTER" >&2
  exit 1
}

configuration=$(cat)
if [ -n "$existing" ]; then
  if ! is_ours; then
    say "a k3d cluster named $CLUSTER exists and is not this stack's ($OWNER). Rename the stack or delete that cluster."
    exit 1
  fi
  say "removing what an interrupted update left of cluster $CLUSTER"
  k3d cluster delete "$CLUSTER" >&2
fi
say "creating cluster $CLUSTER"
if ! printf '%s\n' "$configuration" | k3d cluster create --config - >&2 || ! wait_for registered_nodes registered; then
  explain
  give_up
fi
# Between its registration and its being ready a node has seconds to answer in.
check_tracing || give_up
record_config
if ! wait_for ready_nodes ready; then
  explain
  give_up
fi
