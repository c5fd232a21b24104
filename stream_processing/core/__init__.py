"""Rules of the streams that need no engine."""
