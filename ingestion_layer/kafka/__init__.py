"""Kafka: topics from the contracts, the replay of the live weeks, the way back from the dead-letter queues."""
