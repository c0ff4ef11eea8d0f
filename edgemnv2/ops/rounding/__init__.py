"""Whole numbers: the nearest one, the one below, the one above."""
