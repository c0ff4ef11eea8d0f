"""Which channel is the largest, or the smallest."""
