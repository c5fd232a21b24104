"""Click sessions around each live basket, and browse-only sessions."""
