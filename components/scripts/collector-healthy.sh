set -eu
# The Collector's image is a single binary: nothing inside it could ask after
# its health. Jaeger's container is on the same network and has wget.
elapsed=0
until docker exec "$JAEGER" wget -q -O /dev/null "$HEALTH_URL" 2>/dev/null; do
  if [ "$(docker inspect --format '{{.State.Restarting}}' "$COLLECTOR")" = true ] || [ "$elapsed" -ge "$TIMEOUT_SECONDS" ]; then
    echo "kubetracing: the Collector ($COLLECTOR) is not healthy after ${elapsed}s. Its last words:" >&2
    docker logs --tail 20 "$COLLECTOR" >&2
    exit 1
  fi
  sleep 1
  elapsed=$((elapsed + 1))
done
