#!/bin/sh
# Alerts go to the webhook of STACK_ALERT_WEBHOOK_URL. Without one they are kept and shown, and sent to nobody.
set -eu
receiver='{name: people}'
if [ -n "${ALERT_WEBHOOK_URL:-}" ]; then
  receiver="{name: people, webhook_configs: [{url: '$ALERT_WEBHOOK_URL', send_resolved: true}]}"
fi
cat > /tmp/alertmanager.yml <<EOF
route: {receiver: people, group_by: [alertname], group_wait: 5s, group_interval: 1m, repeat_interval: 4h}
receivers: [$receiver]
EOF
exec prometheus-alertmanager --config.file=/tmp/alertmanager.yml --storage.path=/data --cluster.listen-address= --web.listen-address=0.0.0.0:9093
