"""Sums, means, least and largest values over axes of a map."""
