
cat > /dev/null
# Killed, not stopped: on SIGTERM k3d's entrypoint drains the node, which
# deletes every pod that no controller would bring back.
if [ "$(docker exec "k3d-$CLUSTER-server-0" cat /kubetracing-config 2>/dev/null)" != "$NODE_CONFIG" ]; then
  for node in $(nodes '{{.Names}}'); do
    case "$node" in *-serverlb | *-tools) continue ;; esac
    say "restarting node $node with its new configuration"
    docker kill --signal KILL "$node" > /dev/null 2>&1 || :
    docker start "$node" > /dev/null
  done
  sleep 1
  if ! wait_for ready_nodes ready; then
    explain
    exit 1
  fi
  check_tracing || exit 1
  record_config
fi
