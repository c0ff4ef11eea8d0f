"""Hard swish."""
