#!/bin/sh
# The password comes by standard input: on the command line every process of the host could read it.
set -eu
printf 'requirepass %s\n' "$REDIS_PASSWORD" | exec redis-server /app/redis.conf -
