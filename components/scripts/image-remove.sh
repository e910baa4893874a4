set -eu
if docker image inspect "$IMAGE" >/dev/null 2>&1; then
  docker image rm "$IMAGE" >/dev/null
fi
