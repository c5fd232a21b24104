"""The stack on Docker Compose, seen from its host: before the first start, and what it costs.

Standard library alone: `make up` runs these with the system's Python, before any environment exists.
"""
