"""TFLite -> `Model`: the file's own tables, operator by operator."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgemnv2.errors import DynamicShape, ModelError
from edgemnv2.frontend.layout import input_layout
from edgemnv2.frontend.supported import build_flow
from edgemnv2.frontend.tflite_tables import TfliteGraph, read_tables
from edgemnv2.model import TensorSpec
from edgemnv2.ops.model import Model
from edgemnv2.ops.source import SourceTensor

__all__ = ["load_tflite"]

INPUT_TYPES = ("float32", "int8", "uint8")


def load_tflite(path: Path) -> Model:
    """The network of a .tflite file; ModelError if it is none, or not one that we can compile."""
    data = path.read_bytes()
    graph = read_tables(data, path.name)
    _check_ends(graph, path.name)
    flow = build_flow(graph.nodes, graph.inputs, graph.outputs, path.name, "tflite")
    return Model(
        path.stem,
        flow,
        tuple(_spec(x, input_layout(flow, x.name)) for x in graph.inputs),
        tuple(_spec(x, "NHWC") for x in graph.outputs),
        path.name,
        hashlib.sha256(data).hexdigest(),
        "tflite",
    )


def _check_ends(graph: TfliteGraph, file: str) -> None:
    """One input, one output, one image of a fixed size and of a type that we compile."""
    for what, tensors in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        if len(tensors) != 1:
            raise ModelError(
                f"{file}: the model has {len(tensors)} {what}, must have 1; cut the model to the "
                "one that a MobileNetV2 has"
            )
    for tensor in graph.inputs:
        if tensor.dtype not in INPUT_TYPES:
            raise ModelError(
                f"{file}: input {tensor.name!r} has type {tensor.dtype} (must be float32, int8 or "
                "uint8); convert the model with float or 8-bit input"
            )
        if len(tensor.shape) != 4:
            raise ModelError(
                f"{file}: input {tensor.name!r} has {len(tensor.shape)} dimensions (must be one "
                "image: 4)"
            )
        for index, extent in enumerate(graph.signatures[tensor.name]):
            if index and extent < 0:
                raise DynamicShape(
                    f"{file}: input {tensor.name!r}: dimension {index} is not fixed; height, width "
                    "and channels must be numbers: convert the model with a fixed input size"
                )
        if tensor.shape[0] != 1:
            raise ModelError(
                f"{file}: input {tensor.name!r} holds {tensor.shape[0]} images (must be 1); "
                "convert the model with batch 1"
            )


def _spec(tensor: SourceTensor, layout: str) -> TensorSpec:
    layout = "NC" if len(tensor.shape) == 2 else layout
    quant = tensor.quant if tensor.is_quantized else None
    return TensorSpec(tensor.name, tensor.shape, tensor.dtype, layout, quant)
