"""Limits of an activation that no operator in front of it takes over."""
