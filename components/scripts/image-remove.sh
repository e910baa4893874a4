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
# An image whose name was taken away while nodes ran from it is still there. One
# that something runs from stays.
for image in $(docker image ls --quiet --filter dangling=true --filter "label=$OWNER"); do
  docker image rm "$image" > /dev/null 2>&1 || :
done
