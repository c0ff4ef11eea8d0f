"""Integers by a table alone: changes of quantisation that no fixed point computes to the bit."""
