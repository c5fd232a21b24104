"""Feast's DuckDB offline store, made point-in-time safe by default."""
