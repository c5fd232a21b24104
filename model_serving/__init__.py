"""The inference API: ranked products with their reasons, inside a budget, whatever fails."""
