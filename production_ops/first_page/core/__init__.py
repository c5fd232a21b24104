"""What the page says, from values alone."""
