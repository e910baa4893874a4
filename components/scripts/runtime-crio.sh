
# cannot_trace NODE: what is wrong with the node's container runtime. CRI-O drops a
# runtime handler whose binary does not run, and knows nothing of keys that it does
# not read.
cannot_trace() {
  # A command of its own up to 1.27.
  configuration=$(docker exec "$1" sh -c 'PATH=/opt/kubetracing/crio/bin:$PATH; crio status config || crio-status config')
  case "$configuration" in
    *"tracing_endpoint = \"$RECEIVER\""*) ;;
    *) echo "CRI-O on $1 has not taken its tracing configuration from crio.conf" ;;
  esac
  for handler in $HANDLERS; do
    case "$configuration" in
      *"[crio.runtime.runtimes.$handler]"*) ;;
      *) echo "CRI-O on $1 has dropped the runtime handler $handler; docker logs $1 says why" ;;
    esac
  done
}
