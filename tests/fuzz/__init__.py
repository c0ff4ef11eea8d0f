"""Damaged files of every kind that a user can give, through the whole compiler, in a sandbox."""
