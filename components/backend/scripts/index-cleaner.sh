# Deletes, every hour, the indices of the prefix INDEX_PREFIX that are older than
# DAYS. A server that does not answer is asked again sooner.
while :; do
  if /go/bin/es-index-cleaner-linux "$DAYS" "$SERVER_URL"; then
    sleep 3600
  else
    sleep 60
  fi
done
