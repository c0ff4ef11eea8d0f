"""Mean over the whole map."""
