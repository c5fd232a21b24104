#!/bin/sh
# Apache Spark behind Spark Connect in a container, with its tables' names in the Hive Metastore. A table without a location
# has no place: /warehouse does not exist here. Command line: that of deployment/local/processes.yaml.
set -eu
HERE=/app/batch_processing/spark_connect
JARS=/app/build/jars/spark
# What a killed server left.
rm -rf /data/*
exec spark-submit --master 'local[*]' --properties-file $HERE/spark_connect.conf \
  --class org.apache.spark.sql.connect.service.SparkConnectServer --driver-class-path "$JARS/*" \
  --driver-java-options "-XX:+UseSerialGC -Dlog4j2.configurationFile=/app/stream_processing/spark_streaming/config/log4j2.properties" \
  --conf spark.connect.grpc.binding.address=0.0.0.0 --conf spark.connect.grpc.binding.port=15002 \
  --conf spark.local.dir=/data --conf spark.sql.warehouse.dir=file:/warehouse \
  --conf spark.sql.catalogImplementation=hive --conf spark.hadoop.hive.metastore.uris=thrift://hive-metastore:9083 \
  --conf spark.hadoop.hive.metastore.client.socket.timeout=30s \
  spark-internal
