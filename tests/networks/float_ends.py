"""Float networks with several inputs and outputs, as TFLite files."""

from __future__ import annotations

import numpy as np

from tests.networks.tflite_net import TfliteNet

__all__ = ["detector_like", "dynamic_range", "segmenter_like", "two_floats"]

HEIGHT, WIDTH = 12, 10


class _Net(TfliteNet):
    """Convolutions of floats, with weights from a seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = np.random.default_rng(seed)

    def map(self, channels: int, name: str = "", height: int = HEIGHT, width: int = WIDTH) -> int:
        return self.tensor([1, height, width, channels], "float32", name=name)

    def weight(self, *shape: int) -> np.ndarray:
        scale = np.sqrt(2 / np.prod(shape[1:]))
        return (self.random.normal(size=shape) * scale).astype(np.float32)

    def convolution(self, x: int, y: int, size: int = 1, relu6: bool = False) -> int:
        inner, outer = self.tensors[x].shape[-1], self.tensors[y].shape[-1]
        return self.product(x, y, self.constant(self.weight(outer, size, size, inner)), relu6)

    def product(self, x: int, y: int, weight: int, relu6: bool = False) -> int:
        outer = self.tensors[y].shape[-1]
        operands = [x, weight, self.constant(self.random.normal(size=outer).astype(np.float32))]
        options = {"padding": 0, "stride_w": 1, "stride_h": 1, "dilation_w_factor": 1}
        options |= {"dilation_h_factor": 1, "fused_activation_function": 3 if relu6 else 0}
        return self.add("CONV_2D", operands, [y], "Conv2DOptions", **options)

    def unary(self, kind: str, x: int, name: str = "") -> int:
        y = self.tensor(list(self.tensors[x].shape), "float32", name=name)
        return self.add(kind, [x], [y])


def two_floats() -> bytes:
    """An image and a state; a map of sigmoids and the new state."""
    net = _Net(1)
    image, state = net.map(3, "image"), net.map(8, "state")
    seen = net.convolution(image, net.map(8), 3, relu6=True)
    total = net.map(8, "new state")
    net.add("ADD", [seen, state], [total], "AddOptions", fused_activation_function=0)
    return net.build(
        [image, state], [net.unary("LOGISTIC", net.convolution(total, net.map(5)), "shares"), total]
    )


def detector_like() -> bytes:
    """Heads of two maps, flattened and joined: boxes, and shares of classes."""
    net = _Net(2)
    image = net.map(3, "image")
    first = net.convolution(image, net.map(16), 3, relu6=True)
    second = net.convolution(first, net.map(12), 3, relu6=True)
    ends = []
    for numbers, name in ((4, "boxes"), (3, "scores")):
        parts = []
        for x in (first, second):
            y = net.convolution(x, net.map(2 * numbers))
            if name == "scores":
                y = net.unary("LOGISTIC", y)
            shape = [1, HEIGHT * WIDTH * 2, numbers]
            flat = net.tensor(shape, "float32")
            wanted = net.constant(np.array(shape, np.int32))
            net.add("RESHAPE", [y, wanted], [flat], "ReshapeOptions", new_shape=shape)
            parts.append(flat)
        joined = net.tensor([1, HEIGHT * WIDTH * 4, numbers], "float32", name=name)
        options = {"axis": 1, "fused_activation_function": 0}
        ends.append(net.add("CONCATENATION", parts, [joined], "ConcatenationOptions", **options))
    return net.build([image], ends)


def segmenter_like() -> bytes:
    """A branch of the map's mean, spread over it; scores of twice the size, and their classes."""
    net = _Net(3)
    image = net.map(3, "image")
    seen = net.convolution(image, net.map(16), 3, relu6=True)
    mean = net.map(16, height=1, width=1)
    axes = net.constant(np.array([1, 2], np.int32))
    net.add("MEAN", [seen, axes], [mean], "ReducerOptions", keep_dims=True)
    spread = _resized(net, mean, net.map(16))
    joined = net.map(32)
    options = {"axis": 3, "fused_activation_function": 0}
    net.add("CONCATENATION", [spread, seen], [joined], "ConcatenationOptions", **options)
    scores = net.convolution(joined, net.map(5))
    large = _resized(net, scores, net.map(5, "", 2 * HEIGHT, 2 * WIDTH))
    classes = net.tensor([1, 2 * HEIGHT, 2 * WIDTH], "int32", name="classes")
    axis = net.constant(np.array(3, np.int32))
    net.add("ARG_MAX", [large, axis], [classes], "ArgMaxOptions", output_type=2)
    return net.build([image], [classes])


def _resized(net: _Net, x: int, y: int) -> int:
    size = net.constant(np.array(net.tensors[y].shape[1:3], np.int32))
    return net.add("RESIZE_BILINEAR", [x, size], [y], "ResizeBilinearOptions", align_corners=True)


def dynamic_range() -> bytes:
    """Weights of 8 bits, activations of floats."""
    net = _Net(4)
    image = net.map(3, "image")
    values = net.random.integers(-127, 128, (8, 1, 1, 3)).astype(np.int8)
    seen = net.product(image, net.map(8), net.constant(values, scale=0.01, zero_point=0))
    return net.build([image], [net.unary("TANH", seen, "angle")])
