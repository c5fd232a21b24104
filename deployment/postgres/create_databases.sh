#!/bin/sh
# Make each database of $DATABASES with an owner of its name, or give the owner its password anew. The password of NAME
# stands in NAME_DB_PASSWORD (upper case). The owner of `monitor` may read how the server is.
set -eu
export PGHOST=postgres PGUSER=postgres PGPASSWORD=$POSTGRES_PASSWORD
for name in $DATABASES; do
  password=$(printenv "$(echo "$name" | tr '[:lower:]' '[:upper:]')_DB_PASSWORD")
  psql -q -v ON_ERROR_STOP=1 -v name="$name" -v password="$password" <<'SQL'
SELECT format('CREATE ROLE %I LOGIN', :'name') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', :'name', :'password') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'name') \gexec
SQL
done
psql -q -v ON_ERROR_STOP=1 -c 'GRANT pg_monitor TO monitor'
