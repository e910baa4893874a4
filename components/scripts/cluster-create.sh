
give_up() {
  say "removing the cluster that did not come up"
  k3d cluster delete "$CLUSTER" >&2
  exit 1
}

# give_addresses gives every node, as soon as it runs, the address that it keeps. k3d
# knows of addresses on its own networks only. The nodes wait for theirs before they
# start k3s.
give_addresses() {
  waiting=$ADDRESSES
  while [ -n "$waiting" ] && kill -0 "$$" 2>/dev/null; do
    still=
    for pair in $waiting; do
      node=${pair%=*}
      if [ "$(docker inspect --format '{{.State.Running}}' "$node" 2>/dev/null)" = true ]; then
        docker network disconnect "$NETWORK" "$node" 2>/dev/null || :
        if docker network connect --ip "${pair#*=}" "$NETWORK" "$node" >&2; then continue; fi
      fi
      still="$still $pair"
    done
    waiting=$still
    sleep 0.2
  done
}

# watch_k3d ends k3d, whose own wait says nothing, when a node ends again and again;
# and when this script has ended without it: nobody would know of the nodes that k3d
# goes on to create.
watch_k3d() {
  while sleep 1 && kill -0 "$k3d"; do
    if ! kill -0 "$$" || crash_loops 0; then kill "$k3d"; fi
  done
}

create() {
  printf '%s\n' "$configuration" | k3d cluster create --config - >&2 &
  k3d=$!
  give_addresses &
  giver=$!
  watch_k3d > /dev/null 2>&1 &
  watcher=$!
  created=0
  wait "$k3d" || created=$?
  { kill "$giver" "$watcher"; wait "$giver" "$watcher"; } 2>/dev/null || :
  return "$created"
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
if ! create || ! wait_for registered_nodes registered; then
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
