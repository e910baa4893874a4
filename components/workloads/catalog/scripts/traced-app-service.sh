# Says hello, as a server of its own span in the caller's trace.
. /scripts/spans.sh

if [ "${1-}" != respond ]; then
  mkdir -p /tmp/www/cgi-bin
  printf '%s\n' '#!/bin/sh' 'exec sh /scripts/service.sh respond' > /tmp/www/cgi-bin/hello
  chmod +x /tmp/www/cgi-bin/hello
  exec httpd -f -p "$PORT" -h /tmp/www
fi

start=$(now)
printf 'Content-Type: text/plain\r\n\r\nhello\n'
# traceparent: version, trace, parent, flags.
# Source: https://www.w3.org/TR/trace-context/#traceparent-header.
IFS=- read -r _ trace parent _ <<HEADER
${HTTP_TRACEPARENT:-00-$(random 16)--01}
HEADER
send_span "$trace" "$(random 8)" "$parent" "$SERVER" "GET /hello" "$start" "$(now)"
