"""Absolute value."""
