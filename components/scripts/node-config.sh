set -eu
# Every variable FILE_name__extension is a file to write. The files travel in
# the container's environment, so that a remote Docker host gets them too.
set --
for variable in $(env | sed -n 's/^\(FILE_[A-Za-z0-9_]*\)=.*/\1/p'); do
  set -- "$@" --env "$variable"
done
docker run --rm --network none --volume "$VOLUME:/config" "$@" --entrypoint /bin/sh "$IMAGE" -c '
set -eu
rm -f /config/*
for variable in $(env | sed -n "s/^\(FILE_[A-Za-z0-9_]*\)=.*/\1/p"); do
  name=$(echo "${variable#FILE_}" | sed "s/__/./g; s/_/-/g")
  eval "printf %s \"\$$variable\"" > "/config/$name"
done
'
