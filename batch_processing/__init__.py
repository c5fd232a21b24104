"""Batch jobs of the lake: history and repair, aggregates, feature tables. One file runs on Sail and on Apache Spark."""
