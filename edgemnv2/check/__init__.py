"""Does it compute what it should, and does it fit: compare, verify, accuracy, analyze."""
