"""Artefact + board -> firmware bundle that builds at once and proves itself on the board."""
