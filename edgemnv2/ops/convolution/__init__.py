"""Dense and depthwise convolution."""
