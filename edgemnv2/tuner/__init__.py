"""Tuning: search, trials whose outputs are checked, and what keeps a log fresh."""
