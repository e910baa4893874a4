# k3s.sh server|agent ARGUMENT...: what a node runs as k3s. It runs k3s and, on
# SIGHUP, ends it and runs it anew with what the files here say then. A node that
# restarts takes the containers of its pods with it; a k3s that restarts finds them
# again, as it does on a host, where its service ends that one process only
# (https://docs.k3s.io/upgrades/killall).
#
# k3s.sh restart: asks for that, and ends when the old k3s has.
#
# k3s.sh changed: prints k3s, crio or both if they were started with other files than
# those here.
set -u
cd /run/kubetracing || exit 1

# Prints what is read by k3s and by what it starts.
k3s_files() {
  for file in /etc/kubetracing/*; do
    case $file in */crio.*) ;; *) echo "$file" && cat "$file" ;; esac
  done
}

if [ "$1" = changed ]; then
  if [ "$(k3s_files)" != "$(cat k3s.files)" ]; then echo k3s; fi
  if [ -e /etc/kubetracing/crio.sh ] && [ "$(cat /etc/kubetracing/crio.*)" != "$(cat crio.files)" ]; then echo crio; fi
  exit 0
fi

if [ "$1" = restart ]; then
  old=$(cat k3s.pid) && kill -HUP "$(cat supervisor.pid)" || exit 1
  tries=0
  while [ "$(cat k3s.pid)" = "$old" ]; do
    tries=$((tries + 1))
    # A k3s that is told to end while it opens its datastore never does.
    if [ "$tries" -eq 50 ]; then kill -KILL "$old"; fi
    if [ "$tries" -ge 200 ]; then exit 1; fi
    sleep 0.1
  done
  exit 0
fi

# end_node CODE: k3d's entrypoint waits for an answer of Kubernetes before anything
# else, for ever without a k3s. Without the entrypoint the node ends, and Docker starts
# it anew.
end_node() {
  kill -KILL "$PPID"
  exit "$1"
}

# A node that has just been made gets its address a moment after its start. From then
# on it starts with it.
tries=0
until grep -qwF "$KUBETRACING_NODE_ADDRESS" /proc/net/fib_trie; do
  tries=$((tries + 1))
  if [ "$tries" -ge 600 ]; then
    echo "level=fatal msg=\"kubetracing: this node has not got its address $KUBETRACING_NODE_ADDRESS after 60s\"" >&2
    end_node 1
  fi
  sleep 0.1
done

again='' asked=''
trap 'again=yes; kill -TERM "$k3s"' HUP
trap 'asked=yes again=""; kill -TERM "$k3s"' TERM INT QUIT
while :; do
  again=''
  # Some of them are secret.
  (umask 077 && k3s_files > k3s.files)
  bin/k3s "$@" &
  k3s=$!
  date -u +%Y-%m-%dT%H:%M:%SZ > k3s.started
  echo "$k3s" > k3s.pid
  # Last: who finds it may signal.
  echo "$$" > supervisor.pid
  code=0
  wait "$k3s" || code=$?
  # A signal to this shell ends its wait, not k3s.
  while kill -0 "$k3s" 2> /dev/null; do
    code=0
    wait "$k3s" || code=$?
  done
  if [ -z "$again" ]; then
    if [ -z "$asked" ]; then
      echo "k3s ended with exit code $code" >&2
      end_node "$code"
    fi
    exit "$code"
  fi
done
