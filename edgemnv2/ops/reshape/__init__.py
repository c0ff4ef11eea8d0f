"""Another map of the same bytes."""
