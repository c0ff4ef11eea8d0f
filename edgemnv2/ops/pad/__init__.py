"""Rows and columns around a map."""
