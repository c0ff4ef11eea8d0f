"""The largest or smallest values of a row of channels, in order, or their numbers."""
