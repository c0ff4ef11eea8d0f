"""Inverse of the square root."""
