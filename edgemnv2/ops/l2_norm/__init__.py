"""Division of every pixel by its length."""
