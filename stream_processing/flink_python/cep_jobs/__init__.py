"""Jobs that look for sequences of events."""
