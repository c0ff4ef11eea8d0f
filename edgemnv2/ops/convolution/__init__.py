"""Dense and depthwise convolution; a matrix product is a 1x1 one."""
