#!/bin/sh
# Start the tracking server. Who may do what lies in a database of its own; the first administrator is the generated one.
set -eu
umask 077
export MLFLOW_AUTH_CONFIG_PATH=/tmp/basic_auth.ini
cat > $MLFLOW_AUTH_CONFIG_PATH <<INI
[mlflow]
default_permission = READ
database_uri = postgresql://mlflow_auth:${MLFLOW_DB_PASSWORD}@postgres/mlflow_auth
admin_username = ${MLFLOW_ADMIN_USERNAME}
admin_password = ${MLFLOW_ADMIN_PASSWORD}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
INI
export MLFLOW_BACKEND_STORE_URI="postgresql://mlflow:${MLFLOW_DB_PASSWORD}@postgres/mlflow"
exec mlflow server --app-name basic-auth --host 0.0.0.0 --port 5000 --workers 1 \
  --artifacts-destination s3://mlflow/artifacts --allowed-hosts "${MLFLOW_ALLOWED_HOSTS}"
