"""Maps of another height and width: nearest pixels, or linear between two."""
