"""What the API does, without FastAPI."""
