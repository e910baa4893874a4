set -eu
# Gone is as good as removed; a docker that does not answer is not.
if ! said=$(docker image rm "$IMAGE" 2>&1 > /dev/null); then
  case "$said" in
    *"No such image"*) ;;
    *)
      echo "$said" >&2
      exit 1
      ;;
  esac
fi
