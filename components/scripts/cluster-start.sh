
for node in $(nodes '{{.Names}}'); do
  say "starting $node"
  docker start "$node" > /dev/null
done
if ! wait_for answering_nodes answering || ! wait_for ready_nodes ready; then
  explain
  exit 1
fi
