"""Some rows, columns, channels of a map, in any order: slices, splits, gathers, tiles."""
