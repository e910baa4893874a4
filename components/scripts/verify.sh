set -eu
# Spans of an earlier configuration must not count: only what started after the
# last of the containers did.
set -- --jaeger "$JAEGER_URL" --timeout "$TIMEOUT" --output json
if [ -n "$CONTAINERS" ]; then
  # shellcheck disable=SC2086 # a list of names
  since=$(docker inspect --format '{{.State.StartedAt}}' $CONTAINERS | sort | tail -n 1)
  set -- "$@" --since "$since"
fi
exec "$PROGRAM" verify "$@"
