"""Elements in another order."""
