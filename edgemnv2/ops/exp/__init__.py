"""Exponential."""
