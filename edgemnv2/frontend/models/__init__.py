"""Trained models that ship in the package."""
