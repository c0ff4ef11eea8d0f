"""Networks with several inputs and outputs, as files: two heads, two inputs, ends of any kind."""

from __future__ import annotations

import numpy as np

from tests.networks.tflite_net import TfliteNet

__all__ = ["every_end", "two_heads", "two_inputs"]

SCALE, ZERO = 0.05, -3
HEIGHT, WIDTH = 12, 10


class _Net(TfliteNet):
    """Pointwise convolutions of int8, with weights from a seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = np.random.default_rng(seed)

    def image(self, channels: int, name: str) -> int:
        return self.tensor([1, HEIGHT, WIDTH, channels], "int8", SCALE, ZERO, name=name)

    def convolution(self, x: int, channels: int, name: str) -> int:
        width = self.tensors[x].shape[-1]
        weight = self.random.integers(-127, 128, (channels, 1, 1, width)).astype(np.int8)
        bias = self.random.integers(-500, 500, channels).astype(np.int32)
        operands = [
            x,
            self.constant(weight, scale=0.01, zero_point=0),
            self.constant(bias, scale=0.01 * SCALE, zero_point=0),
        ]
        options = {"padding": 0, "stride_w": 1, "stride_h": 1}
        options |= {"dilation_w_factor": 1, "dilation_h_factor": 1, "fused_activation_function": 0}
        y = self.image(channels, name)
        return self.add("CONV_2D", operands, [y], "Conv2DOptions", **options)


def two_heads() -> bytes:
    """One input, a trunk, an early head and a late one."""
    net = _Net(1)
    image = net.image(3, "image")
    trunk = net.convolution(image, 8, "trunk")
    early = net.convolution(trunk, 5, "early")
    late = net.convolution(net.convolution(trunk, 16, "middle"), 4, "late")
    return net.build([image], [late, early])


def two_inputs() -> bytes:
    """An image and a state that is added to what comes of it; the new state is an output."""
    net = _Net(2)
    image = net.image(3, "image")
    state = net.tensor([1, HEIGHT, WIDTH, 8], "int8", 0.07, 2, name="state")
    total = net.tensor([1, HEIGHT, WIDTH, 8], "int8", 0.1, 1, name="new state")
    seen = net.convolution(image, 8, "seen")
    net.add("ADD", [seen, state], [total], "AddOptions", fused_activation_function=0)
    return net.build([image, state], [net.convolution(total, 6, "answer"), total])


def every_end(*, unread_first: bool = False) -> bytes:
    """An input that is an output; one that nobody reads; one tensor seen as two outputs."""
    net = _Net(3)
    image = net.image(3, "image")
    unread = net.tensor([1, 7], "float32", name="unread")
    seen = net.convolution(image, 8, "seen")
    rows = net.tensor([HEIGHT * WIDTH, 8], "int8", SCALE, ZERO, name="rows")
    shape = net.constant(np.array([HEIGHT * WIDTH, 8], np.int32))
    net.add("RESHAPE", [seen, shape], [rows], "ReshapeOptions", new_shape=[HEIGHT * WIDTH, 8])
    inputs = [unread, image] if unread_first else [image, unread]
    return net.build(inputs, [rows, image, seen])
