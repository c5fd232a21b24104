"""Hooks: what a task asks of another system."""
