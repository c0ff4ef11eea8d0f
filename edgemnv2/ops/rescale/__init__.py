"""Integer to integer of other quantisation."""
