
cat > /dev/null

# Killed, not stopped: on SIGTERM k3d's entrypoint drains the node, which deletes
# every pod that no controller would bring back.
restart_node() {
  docker kill --signal KILL "$1" > /dev/null 2>&1 || :
  docker start "$1" > /dev/null
}

if [ "$(docker exec "k3d-$CLUSTER-server-0" cat /kubetracing-config 2>/dev/null)" != "$NODE_CONFIG" ]; then
  for node in $(nodes '{{.Names}}'); do
    case "$node" in *-serverlb | *-tools) continue ;; esac
    # k3s and containerd in the node, not the node: what runs in pods goes on.
    say "restarting k3s on node $node with its new configuration"
    if ! docker exec "$node" sh /etc/kubetracing/k3s.sh restart > /dev/null 2>&1; then
      say "k3s on node $node does not restart; restarting the node"
      restart_node "$node"
    fi
  done
  # What Kubernetes knows of its nodes may still be from before.
  if ! wait_for answering_nodes answering || ! wait_for ready_nodes ready; then
    explain
    exit 1
  fi
  check_tracing || exit 1
  record_config
fi
