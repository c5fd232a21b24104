"""The lake: which tables there are, and the transforms that every road into them shares."""
