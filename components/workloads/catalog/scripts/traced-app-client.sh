# Asks the service a few times, each time in a trace of its own.
. /scripts/spans.sh

request=0
while [ "$request" -lt "$REQUESTS" ]; do
  request=$((request + 1))
  tries=0
  while :; do
    trace=$(random 16) span=$(random 8) start=$(now)
    if timeout 5 wget -q -O - --header "traceparent: 00-$trace-$span-01" "$TRACED_APP_URL/cgi-bin/hello"; then break; fi
    tries=$((tries + 1))
    if [ "$tries" -ge 30 ]; then
      echo "request $request: $TRACED_APP_URL does not answer" >&2
      exit 1
    fi
    sleep 1
  done
  send_span "$trace" "$span" "" "$CLIENT" "GET /hello" "$start" "$(now)"
done
