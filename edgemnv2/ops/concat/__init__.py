"""Several maps behind one another: along channels, width or height."""
