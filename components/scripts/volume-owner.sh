# Gives the volume VOLUME to the user OWNER, with the tools of IMAGE.
set -eu
docker run --rm --network none --volume "$VOLUME:/volume" "$IMAGE" chown "$OWNER:$OWNER" /volume
