#!/bin/sh
# Make each bucket of $BUCKETS that is not there yet.
set -eu
weed_shell() { echo "$1" | weed shell -master=object-store:9333 -filer=object-store:8888; }
for bucket in $BUCKETS; do
  weed_shell 's3.bucket.list' | grep -qE "^ *$bucket\b" || weed_shell "s3.bucket.create -name $bucket"
done
