"""The sign of each value."""
