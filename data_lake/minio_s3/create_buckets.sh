#!/bin/sh
# Make each bucket of $BUCKETS that is not there yet. Runs in the network of the object store: its master listens on loopback.
set -eu
weed_shell() { echo "$1" | weed shell -master=127.0.0.1:9333 -filer=127.0.0.1:8888; }
for bucket in $BUCKETS; do
  weed_shell 's3.bucket.list' | grep -qE "^ *$bucket\b" || weed_shell "s3.bucket.create -name $bucket"
done
