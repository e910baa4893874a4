
# k3d's entrypoint runs this before k3s, and ends the node if it fails. Its own
# log is a file in the node: what matters goes to the node's log.
#
# crio.sh restart: ends CRI-O, which is started anew with what the files here say
# then, and waits for it. Containers go on.
set -eu
say() { echo "level=$1 msg=\"kubetracing: $2\"" > /proc/1/fd/2; }
export PATH="$BUNDLE:$PATH"
# It names a file of k3s' that does not exist yet, which crictl would not forgive.
unset CRI_CONFIG_FILE

# run runs CRI-O with what the files here say of pulls when it starts.
run() {
  if [ -e "$FILES/crio.env" ]; then
    set -a
    . "$FILES/crio.env"
    set +a
  fi
  # CRI-O unpacks images in the second, which k3s' image lacks.
  mkdir -p "$REGISTRIES" /var/tmp
  if [ -e "$FILES/crio.registries.conf" ]; then
    ln -sf "$FILES/crio.registries.conf" "$REGISTRIES/kubetracing.conf"
  else
    rm -f "$REGISTRIES/kubetracing.conf"
  fi
  exec crio --config "$FILES/crio.conf" > /proc/1/fd/1 2>&1
}

# A CRI-O that ends is started again, as its systemd unit would.
supervise() {
  while :; do
    (umask 077 && cat "$FILES"/crio.* > "$RUN/crio.files")
    date -u +%Y-%m-%dT%H:%M:%SZ > "$RUN/crio.started"
    run &
    echo "$!" > "$RUN/crio.pid"
    code=0
    wait "$!" || code=$?
    say error "CRI-O ended with exit code $code; starting it again"
    sleep 1
  done
}

old=
if [ "${1:-}" = restart ]; then
  old=$(cat "$RUN/crio.pid")
  kill -TERM "$old"
else
  rm -f "$RUN/crio.pid"
  supervise &
fi

answers() { crictl --runtime-endpoint "unix://$SOCKET" version > /dev/null 2>&1; }

# k3s gives up on a runtime that does not answer.
waited=0
until [ "$(cat "$RUN/crio.pid" 2> /dev/null)" != "$old" ] && answers; do
  if [ "$waited" -ge $((START_SECONDS * 5)) ]; then
    say fatal "CRI-O does not answer after ${START_SECONDS}s; its own words are above"
    exit 1
  fi
  sleep 0.2
  waited=$((waited + 1))
done
say info "CRI-O answers"
