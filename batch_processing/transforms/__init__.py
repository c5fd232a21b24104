"""Pure DataFrame transforms of the gold layer: no I/O, no clock, no settings."""
