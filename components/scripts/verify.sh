set -eu
set -- --jaeger "$JAEGER_URL" --timeout "$TIMEOUT" --expectations - --output json
for container in $CONTAINERS; do
  set -- "$@" --container "$container"
done
if [ "$ONLY_NEW" = true ]; then
  # Spans of an earlier configuration must not count: only what started after the
  # last of the containers did.
  # shellcheck disable=SC2086 # a list of names
  since=$(docker inspect --format '{{.State.StartedAt}}' $CONTAINERS | sort | tail -n 1)
  set -- "$@" --since "$since"
fi
exec "$PROGRAM" verify "$@"
