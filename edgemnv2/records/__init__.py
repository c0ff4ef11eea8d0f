"""Tuning logs: all that compile reads of tuning."""
