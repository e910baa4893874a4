#!/bin/sh
# Takes the documentation's pictures of the Jaeger UI from a running stack with
# headless Chromium. Usage: docs/screenshots/take.sh [STACK]
#
# CHROMIUM is the browser (default: chromium). JAEGER_UI is where its UI answers,
# if not at the stack's jaegerUrl.
set -eu
here=$(CDPATH='' cd -P -- "$(dirname -- "$0")" && pwd)
stack=${1:-dev}
output() {
  "$here/../../kubetracing" pulumi --root "${ROOT:-$here/../..}" --stack "$stack" -- stack output "$1" --json --stack "$stack"
}
plain() { tr -d '"\n'; }

jaeger=$(output jaegerUrl | plain)
ui=${JAEGER_UI:-$jaeger}
echo_trace=$(output traces | sed -n 's|.*"echo": *".*/trace/\([0-9a-f]*\)".*|\1|p')

# shot NAME PATH: a page, once it has fetched what it shows.
shot() {
  "${CHROMIUM:-chromium}" --headless=new --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$profile" \
    --window-size=1280,720 --virtual-time-budget=15000 --screenshot="$here/$1.png" "$ui$2" 2> "$profile/log" || {
    cat "$profile/log" >&2
    exit 1
  }
}

profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
now=$(date +%s)
window="start=$((now - 3600))000000&end=${now}000000&lookback=1h&limit=20"
shot echo "/trace/$echo_trace"
# What took the kubelet longer than two seconds, and what failed in containerd.
shot slow "/search?service=kubelet&minDuration=2s&$window"
shot failed "/search?service=containerd&operation=pkg.cri.server.PullImage&tags=%7B%22error%22%3A%22true%22%7D&$window"
