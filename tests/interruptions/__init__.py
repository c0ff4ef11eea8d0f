"""What is left behind when a verb is stopped in the middle, or its disk is full."""
