"""Images and digits as inputs: presets, folders, the held-out samples of the package."""
