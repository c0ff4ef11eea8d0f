"""Two operands, broadcast."""
