"""Writers of the generated types, one target a module."""
