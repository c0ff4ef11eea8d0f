"""Float network to int8 network; the one definition of fixed-point requantisation."""
