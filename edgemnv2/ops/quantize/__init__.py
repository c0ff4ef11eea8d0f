"""float32 to integer."""
