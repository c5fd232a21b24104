"""Broken on purpose: one fault at a time, and the proof that must go red."""
