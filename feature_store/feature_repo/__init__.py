"""Feast definitions. Importing this package builds nothing; `definitions()` does."""
