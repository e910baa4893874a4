set -eu
: "${KUBETRACING_STATE:?must name the state of the image to remove}"
list() { docker image ls --quiet --filter "label=kubetracing.state=$KUBETRACING_STATE" --filter "$1"; }
image=$(list "reference=$IMAGE")
if [ -n "$image" ]; then docker image rm "$IMAGE" > /dev/null; fi
# Images that lost their name while nodes ran from them. One in use stays.
nameless=$(list dangling=true)
for image in $nameless; do docker image rm "$image" > /dev/null 2>&1 || :; done
