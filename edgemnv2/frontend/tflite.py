"""TFLite -> `Model`: the file's own tables, operator by operator."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from edgemnv2.errors import UnsupportedOperator, UsageError, counted
from edgemnv2.frontend.ends import (
    InputShapes,
    check_input,
    check_names,
    check_output,
    settled_shape,
)
from edgemnv2.frontend.layout import input_layout
from edgemnv2.frontend.supported import build_flow
from edgemnv2.frontend.tflite_recurrent import unroll
from edgemnv2.frontend.tflite_shapes import settle
from edgemnv2.frontend.tflite_tables import TfliteGraph, read_tables
from edgemnv2.model import TensorSpec, layout_of
from edgemnv2.ops.model import Model
from edgemnv2.ops.source import SourceTensor

__all__ = ["load_tflite"]


def load_tflite(path: Path, input_shapes: InputShapes | None = None) -> Model:
    """The network of a .tflite file; ModelError if it is none, or not one that we can compile.

    `input_shapes` may only say what the file says: it holds the shape of every inner tensor.
    """
    data = path.read_bytes()
    graph = read_tables(data, path.name)
    _check_ends(graph, path.name, input_shapes or {})
    # Before the bits: the cells of one of integers have 16, which is not what is to be said.
    nodes = unroll(graph.nodes, path.name)
    _check_bits(graph, path.name)
    flow = build_flow(nodes, graph.inputs, graph.outputs, path.name, "tflite", settle)
    outputs = [replace(x, shape=flow.shapes.get(x.name, x.shape)) for x in graph.outputs]
    return Model(
        path.stem,
        flow,
        tuple(_spec(x, input_layout(flow, x.name)) for x in graph.inputs),
        tuple(_spec(x, "NHWC") for x in outputs),
        path.name,
        hashlib.sha256(data).hexdigest(),
        "tflite",
    )


def _check_ends(graph: TfliteGraph, file: str, wanted: InputShapes) -> None:
    """Inputs and outputs are ones that we compile, with numbers for shapes."""
    check_names([x.name for x in graph.inputs], [x.name for x in graph.outputs], wanted, file)
    for tensor in graph.inputs:
        check_input(tensor.name, tensor.dtype, len(tensor.shape), file, "convert")
        signature = graph.signatures[tensor.name] or tensor.shape
        # A free batch has 1 in the shape itself.
        extents = [x if sign >= 0 else "" for x, sign in zip(tensor.shape, signature, strict=True)]
        if extents[0] == "":
            extents[0] = tensor.shape[0]
        shape = settled_shape(tensor.name, extents, None, file, "convert")
        given = wanted.get(tensor.name)
        if given is not None and tuple(given) != shape:
            raise UsageError(
                f"input_shapes={tensor.name}={','.join(map(str, given))}: the input of {file} is "
                f"{list(shape)} (a TFLite file holds the shapes of all inner tensors); convert the "
                "model with another input size"
            )
    for tensor in graph.outputs:
        check_output(tensor.name, tensor.dtype, file)


def _check_bits(graph: TfliteGraph, file: str) -> None:
    """No activation has 16 bits, or 4."""
    narrow = [x for x in graph.tensors if x.dtype in ("int4", "int2", "uint4")]
    if narrow:
        raise UnsupportedOperator(
            f"{file}: {counted(len(narrow), 'activation')} of {narrow[0].dtype[-1]} bits, the "
            f"first is {narrow[0].name!r} (must have 8 bits, or be floats); convert the model with "
            "activations of 8 bits"
        )
    wide = [x for x in graph.tensors if x.dtype == "int16" and x.is_quantized and x.value is None]
    if wide:
        raise UnsupportedOperator(
            f"{file}: {counted(len(wide), 'activation')} of 16 bits (int16x8), the first is "
            f"{wide[0].name!r} (integers must have 8 bits); convert the model with 8-bit "
            "activations (TensorFlow: supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]), or "
            "give the float model"
        )


def _spec(tensor: SourceTensor, layout: str) -> TensorSpec:
    quant = tensor.quant if tensor.is_quantized else None
    layout = layout_of(tensor.shape, layout)
    return TensorSpec(tensor.name, tensor.shape, tensor.dtype, layout, quant)
