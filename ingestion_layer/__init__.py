"""The road in: the broker, its topics, and the tools that send and send again."""
