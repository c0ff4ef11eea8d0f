"""Largest values and means under a window that moves over the map."""
