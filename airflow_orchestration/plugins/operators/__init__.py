"""Operators: one job of the platform a task."""
