"""Fixed-point arithmetic of integer networks: the one definition of each rounding."""
