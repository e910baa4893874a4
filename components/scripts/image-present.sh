set -eu
docker image inspect --format '{{.Id}}' "$IMAGE"
