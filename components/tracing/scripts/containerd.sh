
# What k3s starts under the name of containerd. A container's environment is fixed
# when it is created; the files here are read whenever containerd starts, so that
# a sampling rate changes in place.
set -eu
set -a
. "$FILES/containerd.env"
set +a

# The runtime handlers stand behind what k3s writes anew at each of its starts.
if [ -e "$FILES/containerd-handlers.toml" ]; then
  configuration=$STATE/kubetracing-containerd.toml
  previous=
  for argument in "$@"; do
    shift
    if [ "$previous" = -c ]; then
      cat "$argument" "$FILES/containerd-handlers.toml" > "$configuration"
      set -- "$@" "$configuration"
    else
      set -- "$@" "$argument"
    fi
    previous=$argument
  done
  if [ "$DEFAULT_RUNTIME" != runc ]; then
    # k3s writes the table with double or single quotes, or not at all.
    table="^\[plugins\.[\"']${CRI_PLUGIN}[\"']\.containerd\]\$"
    if grep -q "$table" "$configuration"; then
      sed -i "s/$table/&\ndefault_runtime_name = \"$DEFAULT_RUNTIME\"/" "$configuration"
    else
      printf '[plugins."%s".containerd]\ndefault_runtime_name = "%s"\n' "$CRI_PLUGIN" "$DEFAULT_RUNTIME" >> "$configuration"
    fi
  fi
fi
PATH="$BUNDLE:$PATH"
exec containerd "$@"
