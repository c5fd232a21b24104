"""Streams: Kafka into the lake, exactly once."""
