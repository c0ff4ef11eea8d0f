"""Sine, cosine, arctangent."""
