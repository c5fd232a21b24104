"""Checks that recompute what the platform claims, each independent of the code that it checks."""
