"""How fast: latency, counts, caches, other engines side by side."""
