"""Detectors on MobileNetV2 as TensorFlow's object detection API writes them, with seeded weights.

Sources: `export_tflite_ssd_graph_lib.py` (TensorFlow 1) and `export_tflite_graph_lib_tf2.py` of
github.com/tensorflow/models: heads reshaped to `[1, N, 1, 4]` and `[1, N, classes + 1]`, joined,
scores through a sigmoid, then the custom operator with constant anchors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.meaning.anchors import ssd_anchors
from tests.networks.detection_net import OPERATOR, detection_options
from tests.networks.field_net import NONE, FieldNet, Value, half_constant, mobilenet_v2
from tests.networks.tflite_net import TfliteNet

__all__ = ["ORDERS", "fpn_heads", "ssd_file", "ssd_heads"]

Array = NDArray[Any]
FEATURES = 4
"""Maps of SSDLite here: two of the backbone, two further ones."""
ORDERS = {"tensorflow 1": (0, 1, 2, 3), "tensorflow 2": (2, 0, 3, 1)}
"""Boxes, classes, scores, count in the file's order of outputs; that of TensorFlow 2 is by the
names of a signature."""
OPTIONS: dict[str, Any] = {
    "max_detections": 10,
    "max_classes_per_detection": 1,
    "nms_score_threshold": 0.3,
    "nms_iou_threshold": 0.6,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
}


def ssd_heads(
    net: FieldNet, size: int, classes: int, *, width: float = 0.25, reshape: str = "SQUEEZE"
) -> tuple[Value, Value, Array]:
    """SSDLite: encodings `[1, N, 4]`, scores `[1, N, classes + 1]`, and anchors `[N, 4]`."""
    found = mobilenet_v2(net, net.input(1, size, size, 3), width)
    maps = [found["expand6"], found["block7"]]
    while len(maps) < FEATURES:
        x = net.depthwise(net.convolution(maps[-1], 32), stride=2)
        maps.append(net.convolution(x, 64))
    boxes, scores = [], []
    for number, x in enumerate(maps):
        each = 3 if number == 0 else 6
        box = net.convolution(net.depthwise(x), each * 4, activation=NONE, gain=0.8)
        score = net.convolution(
            net.depthwise(x), each * (classes + 1), activation=NONE, bias=-2.0, gain=0.6
        )
        boxes.append(net.reshaped(box, 1, -1, 1, 4))
        scores.append(net.reshaped(score, 1, -1, classes + 1))
    anchors = ssd_anchors([(x.shape[1], x.shape[2]) for x in maps])
    joined = net.joined(boxes, 1)
    encodings = (
        net.squeezed(joined, 2)
        if reshape == "SQUEEZE"
        else net.reshaped(joined, 1, joined.shape[1], 4)
    )
    # One sigmoid for all, so that the heads' scales are one.
    return encodings, net.probabilities(net.joined(scores, 1)), np.array(anchors, np.float32)


def fpn_heads(
    net: FieldNet,
    size: int,
    classes: int,
    *,
    width: float = 0.25,
    channels: int = 24,
    nearest: str = "PACK",
    depth: int = 2,
) -> tuple[Value, Value, Array]:
    """FPNLite: a pyramid of five maps from stride 8 on, whose heads have the same layers.

    `nearest`: how maps are doubled, by "PACK" and reshape as the API's own function does it, or by
    "RESIZE".
    """
    found = mobilenet_v2(net, net.input(1, size, size, 3), width)
    maps = [
        net.convolution(found[name], channels, activation=NONE)
        for name in ("block3", "block5", "block7")
    ]
    for fine in (1, 0):
        twice = _doubled(net, maps[fine + 1], nearest)
        maps[fine] = net.add(maps[fine], twice)
    smoothed = [maps[2]]
    smoothed += [net.convolution(net.depthwise(x, activation=NONE), channels) for x in maps[1::-1]]
    maps = smoothed[::-1]
    while len(maps) < 5:
        x = net.depthwise(maps[-1], stride=2, activation=NONE)
        maps.append(net.convolution(x, channels))
    boxes, scores = [], []
    for x in maps:
        box, score = x, x
        for _ in range(depth):
            box = net.convolution(net.depthwise(box, activation=NONE), channels)
            score = net.convolution(net.depthwise(score, activation=NONE), channels)
        box = net.convolution(net.depthwise(box), 6 * 4, activation=NONE, gain=0.4)
        score = net.convolution(
            net.depthwise(score), 6 * (classes + 1), activation=NONE, bias=-2.0, gain=0.3
        )
        boxes.append(net.reshaped(box, 1, -1, 4))
        scores.append(net.reshaped(score, 1, -1, classes + 1))
    anchors = [
        (
            (row + 0.5) / x.shape[1],
            (column + 0.5) / x.shape[2],
            scale / np.sqrt(ratio) / x.shape[1],
            scale * np.sqrt(ratio) / x.shape[2],
        )
        for x in maps
        for row in range(x.shape[1])
        for column in range(x.shape[2])
        for ratio in (1.0, 2.0, 0.5)
        for scale in (4.0, 4.0 * np.sqrt(2.0))
    ]
    joined = net.probabilities(net.joined(scores, 1))
    return net.joined(boxes, 1), joined, np.array(anchors, np.float32)


def _doubled(net: FieldNet, x: Value, how: str) -> Value:
    if how == "RESIZE":
        return net.resized(x, 2 * x.shape[1], nearest=True, half_pixel_centers=True)
    wide = net.packed([x, x], 3)
    return net.reshaped(net.packed([wide, wide], 2), 1, 2 * x.shape[1], 2 * x.shape[2], x.channels)


def ssd_file(
    net: FieldNet,
    heads: tuple[Value, Value, Array],
    dtype: str,
    pictures: Sequence[Array] = (),
    *,
    order: str = "tensorflow 1",
    half: bool = False,
    bytes_in: bool = False,
    **options: Any,
) -> bytes:
    """The file of `heads` in a type: float32, uint8 and the operator on uint8, or int8.

    int8 is "full integer" as TensorFlow 2 has it: the heads go through DEQUANTIZE. `half` stores
    weights and anchors in float16, as a float16 file does.
    """
    boxes, scores, anchors = heads
    net.give(boxes, scores)
    given = {**OPTIONS, "num_classes": scores.channels - 1, **options}

    def operator(file: TfliteNet, ends: list[int]) -> list[int]:
        operands = ends
        if dtype == "int8":
            operands = [file.tensor(file.tensors[x].shape) for x in ends]
            for stored, real in zip(ends, operands, strict=True):
                file.add("DEQUANTIZE", [stored], [real])
        outputs = [file.tensor((), name=f"StatefulPartitionedCall:{i}") for i in range(4)]
        operands = [*operands, _anchors(file, anchors, dtype, half)]
        file.add(OPERATOR, operands, outputs, data=detection_options(**given))
        return [outputs[i] for i in ORDERS[order]]

    if dtype == "float32":
        return net.float_file(operator, half=half)
    return net.quantised_file(dtype, pictures, operator, bytes_in=bytes_in)


def _anchors(file: TfliteNet, anchors: Array, dtype: str, half: bool) -> int:
    if dtype == "uint8":
        low, high = min(float(anchors.min()), 0.0), float(anchors.max())
        scale = (high - low) / 255
        stored = np.round((anchors - low) / scale).clip(0, 255).astype(np.uint8)
        return file.constant(stored, scale=scale, zero_point=round(-low / scale))
    return half_constant(file, anchors) if half else file.constant(anchors)
