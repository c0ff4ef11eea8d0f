"""A tensor once more: where an output would be an input, or two outputs one tensor."""
