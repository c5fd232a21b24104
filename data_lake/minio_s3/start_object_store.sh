#!/bin/sh
# Start the object store. No identity may touch a bucket that is not its own, and none administers the store.
set -eu
umask 077
identity() { # name access-key secret-key actions
  echo "{\"name\": \"$1\", \"credentials\": [{\"accessKey\": \"$2\", \"secretKey\": \"$3\"}], \"actions\": [$4]}"
}
cat > /tmp/identities.json <<JSON
{"identities": [
$(identity lake "$S3_ACCESS_KEY" "$S3_SECRET_KEY" '"Read:delta-lake", "Write:delta-lake", "List:delta-lake", "Tagging:delta-lake"'),
$(identity lake-reader "$S3_READER_ACCESS_KEY" "$S3_READER_SECRET_KEY" '"Read:delta-lake", "List:delta-lake"'),
$(identity mlflow "$S3_MLFLOW_ACCESS_KEY" "$S3_MLFLOW_SECRET_KEY" '"Read:mlflow", "Write:mlflow", "List:mlflow", "Tagging:mlflow"')
]}
JSON
exec weed -logtostderr=true server -dir=/data -ip=127.0.0.1 -ip.bind=127.0.0.1 \
  -master.telemetry=false -master.electionTimeout=1s -master.volumeSizeLimitMB=256 \
  -volume.max=0 -volume.minFreeSpace=1GiB -volume.preStopSeconds=0 -filer \
  -s3 -s3.config=/tmp/identities.json -s3.ip.bind=0.0.0.0 -s3.iam=false -s3.port=8333 -s3.port.iceberg=0 -s3.port.lance=0
