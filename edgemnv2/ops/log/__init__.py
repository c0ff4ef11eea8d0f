"""Natural logarithm."""
