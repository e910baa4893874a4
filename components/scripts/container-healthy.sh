# Waits until CONTAINER, which people know as NAME, is healthy.
#
# Docker knows by itself where a container has a health check. An image that is a
# single binary has nothing that could check: there HEALTH_URL is asked from the
# container PROBE, which is on the same network and has wget.
set -eu

say() { echo "kubetracing: $*" >&2; }

healthy() {
  if [ -n "${HEALTH_URL:-}" ]; then
    docker exec "$PROBE" wget -q -O /dev/null "$HEALTH_URL" 2> /dev/null
  else
    [ "$health" = healthy ]
  fi
}

# look asks Docker once for all that is decided by: the container's state, and what its
# last health checks printed. An assignment fails with docker: a container that is
# gone never gets healthy.
look() {
  state=$(docker inspect --format \
    '{{.State.OOMKilled}} {{.State.Restarting}} {{with .State.Health}}{{.Status}}{{range .Log}} {{.Output}}{{end}}{{end}}' "$CONTAINER")
  read -r killed restarting health checks << STATE
$state
STATE
}

# refuses tells whether the health check has been answered with 401 for so long that
# it is not for a search server which still looks for its users.
refuses() {
  if [ "$checks" != '401 401 401 401 401' ]; then
    refused=
    return 1
  fi
  if [ -z "$refused" ]; then refused=$elapsed; fi
  [ "$((elapsed - refused))" -ge 30 ]
}

# last_words are the last lines and the errors before them, without the stack traces
# of a JVM, which would hide both.
last_words() {
  docker logs --tail 500 "$CONTAINER" 2>&1 | grep -vE '^[[:space:]]+(at |\.\.\. )' |
    awk '{ line[NR] = $0 }
      END { for (i = 1; i <= NR; i++) if (i > NR - 4 || line[i] ~ /[Ee]rror|ERROR|[Ff]ail|[Ff]atal|FATAL|panic|[Ee]xception/) print line[i] }' |
    tail -n 8 | cut -c -800 >&2
}

give_up() {
  say "$NAME ($CONTAINER) $1. Its last words:"
  last_words
  exit 1
}

started=$(date +%s)
told=0
refused=
look
until healthy; do
  elapsed=$(($(date +%s) - started))
  if [ "$killed" = true ]; then
    give_up "was killed, as it needs more memory than it may use"
  elif [ "$restarting" = true ]; then
    give_up "ends again and again"
  elif refuses; then
    give_up "refuses its password: its volume began with another one, see docs/storage.md"
  elif [ "$elapsed" -ge "$TIMEOUT_SECONDS" ]; then
    give_up "is not healthy after ${elapsed}s"
  fi
  if [ "$((elapsed - told))" -ge 10 ]; then
    say "waiting for $NAME to be healthy, ${elapsed}s"
    told=$elapsed
  fi
  sleep 0.5
  look
done
