set -eu

# random BYTES: lower case hexadecimal digits.
random() { head -c "$1" /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# now: nanoseconds since 1970. Not every busybox has date's %N.
now() {
  touch /tmp/now
  stat -c '%Y %y' /tmp/now | sed 's/^\([0-9]*\) [^.]*\.\([0-9]\{9\}\).*/\1\2/'
}

# Kinds of spans.
# Source: opentelemetry-proto trace/v1/trace.proto.
# shellcheck disable=SC2034 # for the scripts that this one precedes
INTERNAL=1
# shellcheck disable=SC2034
SERVER=2
# shellcheck disable=SC2034
CLIENT=3

# send_span TRACE SPAN PARENT KIND NAME START END: to the Collector, as OTLP.
# shellcheck disable=SC3028 # Kubernetes sets HOSTNAME
send_span() {
  wget -q -O /dev/null --header 'Content-Type: application/json' --post-data '{"resourceSpans":[{
"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"'"$OTEL_SERVICE_NAME"'"}},
{"key":"k8s.pod.name","value":{"stringValue":"'"$HOSTNAME"'"}}]},
"scopeSpans":[{"scope":{"name":"kubetracing/workloads"},"spans":[{
"traceId":"'"$1"'","spanId":"'"$2"'","parentSpanId":"'"$3"'","kind":'"$4"',"name":"'"$5"'",
"startTimeUnixNano":"'"$6"'","endTimeUnixNano":"'"$7"'"}]}]}]}' "$OTEL_EXPORTER_OTLP_ENDPOINT/v1/traces"
}
