"""Apache Spark Structured Streaming: every job here runs in the spark environment as a classic driver."""
