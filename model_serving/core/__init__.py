"""Serving rules that know no web framework, no Redis, no Kafka."""
