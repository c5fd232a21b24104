"""`make demo`: a year of shopping becomes a served recommendation, with a verdict that proves it."""
