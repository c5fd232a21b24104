"""Jobs that sum events up by time."""
