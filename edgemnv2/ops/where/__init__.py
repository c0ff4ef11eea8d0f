"""One of two values, as a third says."""
