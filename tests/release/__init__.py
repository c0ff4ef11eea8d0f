"""Wheel and sdist as users get them: built, installed elsewhere, put to work."""
