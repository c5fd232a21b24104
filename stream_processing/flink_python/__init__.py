"""Flink SQL on Kafka: visits and minute features; the jobs are SQL text, and `run` submits them."""
