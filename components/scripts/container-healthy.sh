# Waits until CONTAINER, which people know as NAME, is healthy.
#
# Docker knows by itself where a container has a health check. An image that is a
# single binary has nothing that could check: there HEALTH_URL is asked from the
# container PROBE, which is on the same network and has wget.
set -eu

say() { echo "kubetracing: $*" >&2; }

inspect() { docker inspect --format "$1" "$CONTAINER"; }

healthy() {
  if [ -n "${HEALTH_URL:-}" ]; then
    docker exec "$PROBE" wget -q -O /dev/null "$HEALTH_URL" 2> /dev/null
  else
    [ "$(inspect '{{.State.Health.Status}}')" = healthy ]
  fi
}

# last_words are the last lines and the errors before them, without the stack traces
# of a JVM, which would hide both.
last_words() {
  docker logs --tail 500 "$CONTAINER" 2>&1 | grep -vE '^[[:space:]]+(at |\.\.\. )' |
    awk '{ line[NR] = $0 }
      END { for (i = 1; i <= NR; i++) if (i > NR - 8 || line[i] ~ /[Ee]rror|ERROR|[Ff]atal|FATAL|panic|[Ee]xception/) print line[i] }' |
    tail -n 16 | cut -c -800 >&2
}

started=$(date +%s)
told=0
until healthy; do
  elapsed=$(($(date +%s) - started))
  if [ "$(inspect '{{.State.Restarting}}')" = true ] || [ "$elapsed" -ge "$TIMEOUT_SECONDS" ]; then
    if [ "$(inspect '{{.State.OOMKilled}}')" = true ]; then say "$NAME ($CONTAINER) needs more memory than it may use"; fi
    say "$NAME ($CONTAINER) is not healthy after ${elapsed}s. Its last words:"
    last_words
    exit 1
  fi
  if [ "$((elapsed - told))" -ge 10 ]; then
    say "waiting for $NAME to be healthy, ${elapsed}s"
    told=$elapsed
  fi
  sleep 0.5
done
