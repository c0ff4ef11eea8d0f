"""Square root."""
