set -eu
# What has run leaves no second trace: once seen, it is not looked for again before
# it runs again. Where Jaeger answers may have changed.
if [ "$ONCE" = true ] && [ "$(printf '%s\n' "${PULUMI_COMMAND_STDOUT-}" | tail -n 1)" = "after $AFTER" ]; then
  printf '%s\n' "$PULUMI_COMMAND_STDOUT" | sed "s|\"http://[^/\"]*/trace/|\"$JAEGER_URL/trace/|g"
  exit 0
fi
set -- --jaeger "$JAEGER_URL" --timeout "$TIMEOUT" --expectations - --output json
for container in $CONTAINERS; do
  set -- "$@" --container "$container"
done
if [ "$ONLY_NEW" = true ]; then
  # Spans of an earlier configuration must not count: only what started after the
  # last of the containers did, and the last k3s in them.
  # shellcheck disable=SC2086 # a list of names
  started=$(docker inspect --format '{{.State.StartedAt}}' $CONTAINERS)
  for container in $CONTAINERS; do
    if k3s=$(docker exec "$container" cat /run/kubetracing/k3s.started 2> /dev/null); then
      started="$started
$k3s"
    fi
  done
  since=$(printf '%s\n' "$started" | sort | tail -n 1)
  set -- "$@" --since "$since"
fi
"$PROGRAM" verify "$@"
if [ "$ONCE" = true ]; then
  echo "after $AFTER"
fi
