#!/bin/sh
# Start the broker of a container: the host's server.properties with this container's folders, listening on its network.
# The storage is formatted once, with an id of its own. Command lines: those of deployment/local/processes.yaml.
set -eu
CONFIG=/tmp/server.properties
JVM="-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Dlog4j2.configurationFile=/app/ingestion_layer/kafka/config/log4j2.properties"
sed -e 's#{port}#9092#g; s#{controller_port}#9093#g; s#{dir}#/data#g' \
    -e 's#^listeners=.*#listeners=PLAINTEXT://:9092,CONTROLLER://127.0.0.1:9093#' \
    -e "s#^advertised.listeners=.*#advertised.listeners=PLAINTEXT://${KAFKA_HOST}:9092#" \
    /app/ingestion_layer/kafka/config/server.properties > $CONFIG
if [ ! -e /data/data/meta.properties ]; then
  # shellcheck disable=SC2086 (several options)
  java -Xmx64m $JVM -cp '/app/build/jars/kafka/*' kafka.tools.StorageTool format \
    -t "$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')" -c $CONFIG
fi
# shellcheck disable=SC2086
exec java -Xms256m -Xmx256m -XX:MaxDirectMemorySize=128m $JVM -cp '/app/build/jars/kafka/*' kafka.Kafka $CONFIG
