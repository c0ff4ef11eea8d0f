"""Small ONNX networks whose outputs have the form of each task."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class Net:
    """Nodes behind an image `[1, 3, side, side]`, built one by one."""

    def __init__(self, side: int = 32, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.side = side
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.x, self.channels = "image", 3

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, op: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        made = output or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [made], **attributes))
        return made

    def conv(self, x: str, inputs: int, outputs: int, stride: int = 1, output: str = "") -> str:
        weight = self.constant(self.rng.normal(0, 0.3, (outputs, inputs, 3, 3)))
        pads = [1, 1, 1, 1]
        return self.node("Conv", [x, weight], output, strides=[stride] * 2, pads=pads)

    def file(
        self, folder: Path, outputs: dict[str, tuple[list[int], int]], meaning: Any = None
    ) -> Path:
        ends = [helper.make_tensor_value_info(k, t, shape) for k, (shape, t) in outputs.items()]
        image = helper.make_tensor_value_info("image", FLOAT, [1, 3, self.side, self.side])
        graph = helper.make_graph(self.nodes, "net", [image], ends, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        if meaning is not None:
            helper.set_model_props(model, {"edgemnv2": json.dumps(meaning)})
        onnx.checker.check_model(model, full_check=True)
        path = folder / "net.onnx"
        onnx.save(model, path)
        return path


def classifier(folder: Path, ending: str = "Softmax", classes: int = 4) -> Path:
    """Pooled features, a dense layer, and `ending` ("" for none) behind it."""
    net = Net()
    x = net.node("Relu", [net.conv("image", 3, 8, 4)])
    x = net.node("Flatten", [net.node("GlobalAveragePool", [x])])
    weight = net.constant(net.rng.normal(0, 1, (8, classes)))
    x = net.node("MatMul", [x, weight], "" if ending else "out")
    if ending:
        net.node(ending, [x], "out")
    return net.file(folder, {"out": ([1, classes], FLOAT)})


def two_classes(folder: Path, ending: str = "Sigmoid") -> Path:
    """Keras's `Dense(1)` behind pooled features, and `ending` ("" for none)."""
    return classifier(folder, ending, classes=1)


def embedding(folder: Path, normalised: bool) -> Path:
    """Pooled features, of length one or as they are."""
    net = Net()
    x = net.node("Relu", [net.conv("image", 3, 8, 4)])
    x = net.node("GlobalAveragePool", [x])
    x = net.node("Flatten", [x], "" if normalised else "out")
    if normalised:
        net.node("LpNormalization", [x], "out", axis=1, p=2)
    return net.file(folder, {"out": ([1, 8], FLOAT)})


def grid(folder: Path) -> Path:
    """Softmax over the channels of a map of 4 x 4."""
    net = Net()
    x = net.node("Relu", [net.conv("image", 3, 8, 4)])
    x = net.conv(x, 8, 3, 2)
    net.node("Softmax", [x], "out", axis=1)
    return net.file(folder, {"out": ([1, 3, 4, 4], FLOAT)})


def segmenter(folder: Path, arg_max: bool) -> Path:
    """Scores of each pixel, or their best class."""
    net = Net()
    x = net.conv("image", 3, 5, 1, "" if arg_max else "out")
    if not arg_max:
        return net.file(folder, {"out": ([1, 5, 32, 32], FLOAT)})
    net.node("ArgMax", [x], "out", axis=1, keepdims=0)
    return net.file(folder, {"out": ([1, 32, 32], INT64)})


def one_map(folder: Path, ending: str = "Sigmoid", side: int = 32, squeezed: bool = False) -> Path:
    """One score for each pixel, and `ending` ("" for none; "Resize" for a sigmoid before it)."""
    net = Net(side)
    x = net.node("Relu", [net.conv("image", 3, 8, 1 if ending != "Resize" else 2)])
    steps = {"": [], "Resize": ["Sigmoid", "Resize"]}.get(ending, [ending])
    steps += ["Squeeze"] if squeezed else []
    x = net.conv(x, 8, 1, 1, "" if steps else "out")
    for index, step in enumerate(steps):
        more: dict[str, Any] = {}
        inputs = [x]
        if step == "Resize":
            inputs += ["", net.constant([1, 1, 2, 2])]
            more = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        if step == "Squeeze":
            inputs += [net.constant([1], np.int64)]
        x = net.node(step, inputs, "out" if index == len(steps) - 1 else "", **more)
    shape = [1, side, side] if squeezed else [1, 1, side, side]
    return net.file(folder, {"out": (shape, FLOAT)})


def raw_heads(folder: Path, meaning: Any = None) -> Path:
    """SSD's heads on maps of 4 x 4 (3 boxes) and 2 x 2 (6 boxes), joined: 72 boxes, 4 classes."""
    net = Net()
    first = net.node("Relu", [net.conv("image", 3, 8, 8)])
    second = net.node("Relu", [net.conv(first, 8, 8, 2)])
    for kind, last in (("boxes", 4), ("scores", 4)):
        parts = []
        for x, boxes in ((first, 3), (second, 6)):
            y = net.node("Transpose", [net.conv(x, 8, boxes * last)], perm=[0, 2, 3, 1])
            shape = net.constant([1, -1, last], np.int64)
            parts.append(net.node("Reshape", [y, shape]))
        net.node("Concat", parts, kind, axis=1)
    ends = {kind: ([1, 72, 4], FLOAT) for kind in ("boxes", "scores")}
    return net.file(folder, ends, meaning)


def map_heads(folder: Path, meaning: Any) -> Path:
    """The same heads as maps, without a reshape."""
    net = Net()
    first = net.node("Relu", [net.conv("image", 3, 8, 8)])
    second = net.node("Relu", [net.conv(first, 8, 8, 2)])
    ends: dict[str, tuple[list[int], int]] = {}
    for index, (x, boxes, side) in enumerate(((first, 3, 4), (second, 6, 2))):
        for kind, last in (("scores", 5), ("boxes", 4)):
            net.conv(x, 8, boxes * last, 1, f"{kind}{index}")
            ends[f"{kind}{index}"] = ([1, boxes * last, side, side], FLOAT)
    return net.file(folder, ends, meaning)
