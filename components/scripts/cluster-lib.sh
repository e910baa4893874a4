set -eu

say() { echo "kubetracing: $*" >&2; }

# nodes FORMAT: every container of the cluster. servers FORMAT: those that run servers.
nodes() {
  docker ps --all --filter "label=k3d.cluster=$CLUSTER" --filter "label=k3d.role" --format "$1"
}

servers() {
  docker ps --all --filter "label=k3d.cluster=$CLUSTER" --filter "label=k3d.role=server" --format "$1"
}

# What there is of a cluster of that name, whoever's it is. An assignment fails
# when docker does; a test would take "docker did not answer" for "nothing there".
existing=$(nodes '{{.ID}}')
owners=$(servers "owner={{.Label \"$OWNER_LABEL\"}}")

# A cluster is ours if every server carries our label. The prefix keeps the line
# of a server without a label from being empty, and so from being lost.
is_ours() { ! printf '%s\n' "$owners" | grep . | grep -qvxF "owner=$OWNER"; }

# likely_cause: what the log of a node that does not come up tells, in words; nothing
# if it tells nothing known.
#
# Sources of the words: k8s.io/component-base featuregate/feature_gate.go; k3s
# pkg/agent/containerd/containerd.go and pkg/cgroups/cgroups_linux.go; strerror(3).
likely_cause() {
  log=$(cat)
  while IFS='|' read -r words cause; do
    case "$log" in
      *"$words"*)
        echo "$cause"
        return
        ;;
    esac
  done << 'CAUSES'
unrecognized feature gate|this Kubernetes release does not know a feature gate that it is given
strict decoding error|this Kubernetes release does not accept a configuration file that it is given
flag provided but not defined|this k3s release does not know an argument that it is given
no space left on device|the disk of the Docker host is full
too many open files|the Docker host allows too few inotify watches: raise fs.inotify.max_user_instances and max_user_watches
exec format error|the node image or its container runtime is built for another architecture
failed to find memory cgroup|the Docker host has no memory cgroup
containerd: exit status|containerd ends as soon as it starts: is runtime.bundle an upstream release for this architecture?
containerd: fork/exec|containerd cannot be started: is runtime.bundle an upstream release for this architecture?
CRI-O does not answer|CRI-O does not start: its own words are in the node's log
bind: address already in use|something else listens on a port that k3s needs
CAUSES
}

# node_log NODE: what k3s logged, and what containerd did in a file of its own. A
# node that does not run has no other way to that file.
node_log() {
  docker logs --tail 2000 "$1" 2>&1
  docker cp "$1:/var/lib/rancher/k3s/agent/containerd/containerd.log" - 2> /dev/null | tar -xOf - 2> /dev/null | tail -n 200
}

# The reason why a node does not come up is in its log, which goes with it.
explain() {
  for node in $(nodes '{{.Names}}'); do
    say "node $node: $(docker inspect --format '{{.State.Status}}, exit code {{.State.ExitCode}}, restarted {{.RestartCount}} times' "$node")"
    if [ "$(docker inspect --format '{{.State.OOMKilled}}' "$node")" = true ]; then
      say "likely cause: the Docker host has too little memory"
    fi
    words=$(node_log "$node")
    printf '%s\n' "$words" | grep -E 'level=(error|fatal)|panic:|^[EF][0-9]{4} |[Uu]nable to|invalid|^containerd: |^k3s ended ' |
      grep -vE '^Error from server|Failed to set sysctl' | tail -n 12 | cut -c -400 | sed 's/^/    /' >&2 || :
    cause=$(printf '%s\n' "$words" | likely_cause)
    [ -z "$cause" ] || say "likely cause: $cause"
  done
}

# most_restarts: how often Docker has restarted the node that ended most often.
most_restarts() {
  most=0
  for node in $(nodes '{{.Names}}'); do
    restarts=$(docker inspect --format '{{.RestartCount}}' "$node" 2> /dev/null) || restarts=0
    if [ "$restarts" -gt "$most" ]; then most=$restarts; fi
  done
  echo "$most"
}

# crash_loops SINCE: whether a node has ended again and again since most_restarts
# was SINCE. It would go on to do so until the end of every wait.
crash_loops() { [ "$(most_restarts)" -ge "$(($1 + 3))" ]; }

# in_cluster ARGUMENTS: kubectl as the cluster's first server has it.
in_cluster() { docker exec "k3d-$CLUSTER-server-0" kubectl "$@"; }

registered_nodes() { in_cluster get nodes --no-headers 2>/dev/null | awk '{ print $1 }'; }

# ready_nodes lists the nodes that are Ready and have a pod network. Kubernetes
# says Ready some seconds before flannel has a subnet; a pod that starts in
# between fails and waits ten seconds for its next try.
ready_nodes() {
  for node in $(in_cluster get nodes --no-headers 2>/dev/null | awk '$2 ~ /^Ready/ { print $1 }'); do
    if docker exec "$node" test -s /run/flannel/subnet.env 2>/dev/null; then echo "$node"; fi
  done
}

# answering_nodes lists the nodes whose kubelet answers and, on servers, whose
# kube-apiserver is ready. The nodes that Kubernetes lists as ready are those that
# said so within the last 40 seconds.
answering_nodes() {
  for node in $(registered_nodes); do
    if servers '{{.Names}}' | grep -qxF "$node" && ! docker exec "$node" kubectl get --raw /readyz > /dev/null 2>&1; then continue; fi
    if in_cluster get --raw "/api/v1/nodes/$node/proxy/healthz" > /dev/null 2>&1; then echo "$node"; fi
  done
}

# wait_for LIST WHAT: until LIST lists every node. Without this, the first thing
# to hang would be a workload that nothing can schedule, with nothing to say why.
wait_for() {
  say "waiting for $NODES $2 node(s)"
  started=$(date +%s)
  restarted=$(most_restarts)
  until [ "$($1 | wc -l)" -ge "$NODES" ]; do
    if crash_loops "$restarted"; then
      say "a node ends again and again"
      return 1
    fi
    elapsed=$(($(date +%s) - started))
    if [ "$elapsed" -ge 300 ]; then
      say "only $($1 | wc -l) of $NODES node(s) are $2 after ${elapsed}s"
      return 1
    fi
    sleep 0.5
  done
}

# A runtime that cannot trace, a kubelet that did not read its file and a
# kube-apiserver that was not told of its own say nothing and send nothing: ask
# them. kube-apiserver has no endpoint that shows its arguments in every minor; k3s
# logs them at each start (pkg/daemons/control/server.go). With the argument, a
# kube-apiserver that answers has accepted the file: it does not start with one that
# it refuses, in any minor.
not_tracing() {
  for node in $(servers '{{.Names}}'); do
    arguments=$(docker logs "$node" 2>&1 | grep -F 'Running kube-apiserver ' | tail -n 1)
    case "$arguments" in
      "" | *--tracing-config-file=*) ;;
      *) echo "kube-apiserver on $node runs without its tracing configuration: k3s has not taken k3s-server.yaml" ;;
    esac
  done
  for node in $(registered_nodes); do
    cannot_trace "$node"
    if ! in_cluster get --raw "/api/v1/nodes/$node/proxy/configz" | grep -q '"tracing":{"endpoint"'; then
      echo "the kubelet on $node has not taken its tracing configuration from kubelet.yaml"
    fi
  done
}

# A node that has just registered may not be reachable for a moment.
check_tracing() {
  started=$(date +%s)
  until reasons=$(not_tracing 2>/dev/null) && [ -z "$reasons" ]; do
    if [ $(($(date +%s) - started)) -ge 30 ]; then
      say "$reasons"
      return 1
    fi
    sleep 0.5
  done
}

# Which configuration the nodes were started with, kept in their own file
# systems, where a restart leaves it.
record_config() {
  for node in $(servers '{{.Names}}'); do
    docker exec "$node" sh -c "echo $NODE_CONFIG > /kubetracing-config"
  done
}
