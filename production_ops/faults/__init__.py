"""Every promised fault, run by its tests and told in one table."""
