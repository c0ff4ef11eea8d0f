"""MobileNetV2 compiled, tuned and proven for the device in your hand, on Apache TVM."""

# The only place of the version: pyproject.toml reads it from here.
__version__ = "0.1.0"
