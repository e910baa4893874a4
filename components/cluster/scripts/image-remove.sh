set -eu
: "${KUBETRACING_STATE:?must name the state of the image to remove}"
list() { docker image ls --quiet --filter "label=kubetracing.state=$KUBETRACING_STATE" --filter "$1"; }
image=$(list "reference=$IMAGE")
if [ -n "$image" ]; then docker image rm "$IMAGE" > /dev/null; fi
# Images that lost their name while nodes ran from them. One in use stays.
nameless=$(list dangling=true)
for image in $nameless; do docker image rm "$image" > /dev/null 2>&1 || :; done
# The command that creates this resource prints what the build left in the cache. The
# daemon's own builder has it, whichever one buildx has chosen. What is left is no error.
cache=$(printf '%s\n' "${PULUMI_COMMAND_STDOUT:-}" | sed -n 's/^cache //p')
if [ -n "$cache" ]; then
  BUILDX_BUILDER=default docker builder prune --all --force --filter "id=^($cache)" > /dev/null 2>&1 || :
fi
