"""The built-in digits network as a Keras file, as Keras 3 would save it."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.pipeline import lower_source

# The class as the layer's name in the file of weights, where they are counted.
STORED = {"Conv2D": "conv2d", "DepthwiseConv2D": "depthwise_conv2d", "Dense": "dense"}


class _Writer:
    """Layers of a functional model, one after another."""

    def __init__(self) -> None:
        self.layers: list[dict[str, Any]] = []
        self.weights: dict[str, list[Any]] = {}
        self._counts: Counter[str] = Counter()

    def add(
        self,
        kind: str,
        name: str,
        before: list[str],
        arrays: list[Any] | None = None,
        **config: Any,
    ) -> str:
        calls = []
        if before:
            tensors = [
                {"class_name": "__keras_tensor__", "config": {"keras_history": [x, 0, 0]}}
                for x in before
            ]
            calls = [{"args": [tensors if len(tensors) > 1 else tensors[0]], "kwargs": {}}]
        entry = {"class_name": kind, "config": {"name": name, **config}, "inbound_nodes": calls}
        self.layers.append(entry)
        if arrays is not None:
            stored = STORED[kind]
            number = self._counts[stored]
            self._counts[stored] += 1
            self.weights[f"{stored}_{number}" if number else stored] = arrays
        return name


def write_keras_digits(path: Path) -> Path:
    """`path`, a .keras file with the trained weights; input `[1, 32, 32, 1]` of -1..1."""
    graph = lower_source("digits")
    to = _Writer()
    (source,) = graph.inputs
    made = {source: to.add("InputLayer", "image", [], batch_shape=[None, 32, 32, 1])}
    for layer in graph.layers:
        name, before = layer.name.replace(".", "_"), [made[x] for x in layer.inputs]
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            if any(layer.padding):
                top, left, bottom, right = layer.padding
                padding = [[top, bottom], [left, right]]
                before = [to.add("ZeroPadding2D", f"{name}_pad", before, padding=padding)]
            kernel, kind, more = layer.weight, "Conv2D", {"filters": len(layer.bias)}
            if isinstance(layer, DepthwiseConv2D):
                kernel, kind, more = kernel[..., np.newaxis], "DepthwiseConv2D", {}
            last = to.add(
                kind, name, before, [kernel, layer.bias],
                kernel_size=list(layer.weight.shape[:2]), strides=list(layer.stride),
                padding="valid", use_bias=True, activation="linear", **more,
            )  # fmt: skip
            if layer.clamp == (0.0, 6.0):
                last = to.add("ReLU", f"{name}_relu", [last], max_value=6.0)
        elif layer.op == "add":
            last = to.add("Add", name, before)
        else:
            last = to.add("GlobalAveragePooling2D", name, before, keepdims=True)
        made[layer.output] = last
    last = to.add("Flatten", "scores", [last])
    config = {
        "class_name": "Functional",
        "config": {
            "layers": to.layers,
            "input_layers": ["image", 0, 0],
            "output_layers": [last, 0, 0],
        },
    }
    inner = path.with_suffix(".weights.h5")
    with h5py.File(inner, "w") as file:
        for name, arrays in to.weights.items():
            for number, array in enumerate(arrays):
                file[f"layers/{name}/vars/{number}"] = np.asarray(array, np.float32)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.write(inner, "model.weights.h5")
    inner.unlink()
    return path
