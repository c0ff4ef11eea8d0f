"""MobileNetV2 compiled, tuned and proven for the device in your hand, on Apache TVM."""

__version__ = "0.1.0"
