#!/bin/sh
# Make the cluster once, with the generated password and no trust in anybody, then serve it.
set -eu
if [ ! -e /data/cluster/PG_VERSION ]; then
  rm -rf /data/cluster.new
  printf '%s\n' "$POSTGRES_PASSWORD" > /tmp/password
  initdb -D /data/cluster.new -U postgres --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  rm /tmp/password
  echo 'host all all all scram-sha-256' >> /data/cluster.new/pg_hba.conf
  mv /data/cluster.new /data/cluster
fi
exec postgres -D /data/cluster -c listen_addresses='*' -c unix_socket_directories=/tmp -c shared_buffers=64MB -c max_connections=60
