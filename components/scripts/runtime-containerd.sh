
# cannot_trace NODE: what is wrong with the node's container runtime. A containerd
# without its tracing plugin says nothing and sends nothing.
cannot_trace() {
  plugin=$(docker exec "$1" ctr plugins ls | awk '$1 == "io.containerd.tracing.processor.v1" { print $NF }')
  if [ "$plugin" != ok ]; then
    echo "containerd on $1 cannot trace: its tracing plugin is ${plugin:-not compiled in}. Is runtime.bundle an upstream release?"
  fi
  [ -z "$HANDLERS" ] || info=$(docker exec "$1" crictl info)
  for handler in $HANDLERS; do
    case "$info" in
      *"\"$handler\""*) ;;
      *) echo "containerd on $1 has no runtime handler $handler" ;;
    esac
  done
}
