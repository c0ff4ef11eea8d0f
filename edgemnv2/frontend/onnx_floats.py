"""ONNX -> ONNX: float16 and float64 tensors -> float32, which the model's notes say."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.model import FLOAT16, FLOAT64, Note

__all__ = ["NARROW", "WIDE", "to_float32"]

NARROW = {"BFLOAT16": FLOAT16, "FLOAT16": FLOAT16}
WIDE = {"DOUBLE": FLOAT64}
"""ONNX's names of types, and the notes'."""


def to_float32(model: Any, types: dict[str, str]) -> tuple[Note, ...]:
    """Rewrite tensors of `types` (NARROW or WIDE) in `model`; what was changed."""
    import onnx

    kinds = {getattr(onnx.TensorProto, name): kind for name, kind in types.items()}
    found = _rewritten(model, kinds)
    if found:
        _drop_float_casts(model)
    text = "tensors are computed in float32, and are float32 at inputs and outputs"
    return tuple(Note(kind, f"{kind} {text}") for kind in sorted(found))


def _rewritten(model: Any, kinds: dict[int, str]) -> set[str]:
    """Every such constant, end and Cast; which kinds there were."""
    import onnx

    found: set[str] = set()
    for tensor in model.graph.initializer:
        _rewrite_tensor(tensor, kinds, found)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                _rewrite_tensor(attribute.t, kinds, found)
            elif attribute.name in ("to", "dtype") and attribute.i in kinds:
                found.add(kinds[attribute.i])
                attribute.i = onnx.TensorProto.FLOAT
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        end = value.type.tensor_type
        if end.elem_type in kinds:
            found.add(kinds[end.elem_type])
            end.elem_type = onnx.TensorProto.FLOAT
    return found


def _rewrite_tensor(tensor: Any, kinds: dict[int, str], found: set[str]) -> None:
    import onnx

    if tensor.data_type not in kinds:
        return
    found.add(kinds[tensor.data_type])
    with np.errstate(over="ignore"):
        values = onnx.numpy_helper.to_array(tensor).astype(np.float32)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def _drop_float_casts(model: Any) -> None:
    """Casts of floats to float -> Identity: all floats are float32 now."""
    import onnx

    del model.graph.value_info[:]
    graph = onnx.shape_inference.infer_shapes(model).graph
    types = {x.name: x.data_type for x in model.graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        types.setdefault(value.name, value.type.tensor_type.elem_type)
    for node in model.graph.node:
        if node.op_type != "Cast" or types.get(node.input[0]) != onnx.TensorProto.FLOAT:
            continue
        if any(x.name == "to" and x.i == onnx.TensorProto.FLOAT for x in node.attribute):
            node.op_type = "Identity"
            del node.attribute[:]
