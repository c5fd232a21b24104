"""Pure PySpark DataFrame transforms that run unchanged on Apache Spark (stream, batch) and on Sail (batch)."""
