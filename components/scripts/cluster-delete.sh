
if [ -n "$existing" ]; then
  if ! is_ours; then
    say "the k3d cluster $CLUSTER is not this stack's ($OWNER) any more; leaving it alone"
    exit 0
  fi
  k3d cluster delete "$CLUSTER" >&2
fi
