#!/bin/sh
# `start_flink.sh jobmanager|taskmanager` in a container: the host's config.yaml, listening on the stack's network.
# Command lines: those of deployment/local/processes.yaml.
set -eu
HERE=/app/stream_processing/flink_python
mkdir -p /tmp/conf
sed 's#{port}#8081#g; s#{rpc_port}#6123#g; s#{blob_port}#6124#g' $HERE/config/config.yaml > /tmp/conf/config.yaml
cp $HERE/config/log4j2.properties /tmp/conf/
case $1 in
jobmanager)
  memory="-Xms128m -Xmx320m -XX:MaxDirectMemorySize=96m"
  class=org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint
  own="-D io.tmp.dirs=/tmp -D jobmanager.bind-host=0.0.0.0 -D rest.bind-address=0.0.0.0 -D rest.address=flink-jobmanager" ;;
taskmanager)
  memory="-Xms416m -Xmx416m -XX:MaxDirectMemorySize=160m"
  class=org.apache.flink.runtime.taskexecutor.TaskManagerRunner
  own="-D io.tmp.dirs=/data -D taskmanager.bind-host=0.0.0.0 -D taskmanager.host=flink-taskmanager -D taskmanager.rpc.port=6122 -D taskmanager.data.port=6121 -D taskmanager.resource-id=taskmanager" ;;
esac
# shellcheck disable=SC2086 (several options)
exec java $memory -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=128m -Xshare:auto -XX:MaxMetaspaceSize=160m -Djava.io.tmpdir=/tmp \
  -Dlog4j.configurationFile=/tmp/conf/log4j2.properties \
  -cp '/app/.venvs/flink/flink_home/lib/*:/app/build/jars/flink/*' \
  $class --configDir /tmp/conf -D jobmanager.rpc.address=flink-jobmanager -D metrics.reporter.prom.port=9249 $own
