"""Hard sigmoid."""
