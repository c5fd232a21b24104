"""Features: their catalogue, the offline joins, and the online store that serving reads."""
