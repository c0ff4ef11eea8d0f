"""Leaky rectifier."""
