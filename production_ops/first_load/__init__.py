"""The first start of a stack: history, features, a first model."""
