"""Validators of events against their contracts."""
