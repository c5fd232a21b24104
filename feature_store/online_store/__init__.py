"""The online store: one packed blob per key in Redis, a Feast plug-in that fills it, a reader for the hot path."""
