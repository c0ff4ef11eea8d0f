"""A lowered network in the file formats of other engines."""
