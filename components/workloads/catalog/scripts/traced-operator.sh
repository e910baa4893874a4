# Copies a greeting into a config map of its own whenever it changes: a reconciler, each
# of whose runs is a trace that the API server continues.
. /scripts/spans.sh

objects="https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/$NAMESPACE/configmaps"

# request METHOD URL [ARGUMENT]...: as the user whose certificate it has.
request() {
  method=$1 url=$2
  shift 2
  curl --silent --show-error --fail --request "$method" --cacert /certificates/ca.crt \
    --cert /credentials/tls.crt --key /credentials/tls.key "$@" "$url"
}

# traced METHOD URL [ARGUMENT]...: a request in the trace of the reconciliation, and its span.
traced() {
  span=$(random 8) sent=$(now) result=0
  request "$@" --max-time 10 --header "traceparent: 00-$trace-$span-01" || result=$?
  # Without its receiver, the operator goes on with its work.
  send_span "$trace" "$span" "$root" "$CLIENT" "$1 configmaps" "$sent" "$(now)" || :
  return "$result"
}

# field NAME: the value of a field that an object on standard input has once.
field() { sed -n 's/.*"'"$1"'": *"\([^"]*\)".*/\1/p'; }

reconcile() {
  trace=$(random 16) root=$(random 8) begin=$(now)
  if owner=$(traced GET "$objects/$OBJECT"); then
    # As the field manager of its fields, and as a child that goes with its owner.
    traced PATCH "$objects/$OBJECT-copy?fieldManager=$OTEL_SERVICE_NAME&force=true" --output /dev/null \
      --header 'Content-Type: application/apply-patch+yaml' --data '{"apiVersion":"v1","kind":"ConfigMap",
"metadata":{"name":"'"$OBJECT"'-copy","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap",
"name":"'"$OBJECT"'","uid":"'"$(printf '%s' "$owner" | field uid)"'"}]},
"data":{"greeting":"'"$(printf '%s' "$owner" | field greeting)"'"}}' || echo "the copy could not be written" >&2
  fi
  send_span "$trace" "$root" "" "$INTERNAL" reconcile "$begin" "$(now)" || :
}

# A new watch begins with the present state, so nothing is missed between two of them.
while :; do
  request GET "$objects?watch=1&timeoutSeconds=300&fieldSelector=metadata.name%3D$OBJECT" --no-buffer |
    while read -r _; do reconcile; done
  sleep 1
done
