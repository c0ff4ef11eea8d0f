"""Numbers of one type as numbers of another."""
