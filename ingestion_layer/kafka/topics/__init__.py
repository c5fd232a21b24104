"""Topics as the contracts describe them."""
