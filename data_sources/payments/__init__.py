"""Payment attempts for each live basket."""
