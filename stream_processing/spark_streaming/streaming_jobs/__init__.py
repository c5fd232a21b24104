"""One module per stream; each says what it reads, what it writes and at which grain."""
