"""What a network's outputs mean: labels, anchors, and the task that follows from its form."""
