"""ONNX -> ONNX: float16 tensors -> float32, which the model's notes say."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.model import FLOAT16, Note

__all__ = ["widen"]

FLOAT16_TEXT = "float16 tensors are computed in float32, and are float32 at inputs and outputs"


def widen(model: Any) -> tuple[Note, ...]:
    """Rewrite `model`; what was changed."""
    if not _float16_to_float32(model):
        return ()
    _drop_float_casts(model)
    return (Note(FLOAT16, FLOAT16_TEXT),)


def _narrow_types() -> tuple[int, ...]:
    import onnx

    return onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16


def _float16_to_float32(model: Any) -> bool:
    """Every float16 constant, end and Cast; whether there was any."""
    import onnx

    found = False
    for tensor in model.graph.initializer:
        found |= _widen_tensor(tensor)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                found |= _widen_tensor(attribute.t)
            elif attribute.name in ("to", "dtype") and attribute.i in _narrow_types():
                attribute.i, found = onnx.TensorProto.FLOAT, True
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        kind = value.type.tensor_type
        if kind.elem_type in _narrow_types():
            kind.elem_type, found = onnx.TensorProto.FLOAT, True
    return found


def _widen_tensor(tensor: Any) -> bool:
    import onnx

    if tensor.data_type not in _narrow_types():
        return False
    values = onnx.numpy_helper.to_array(tensor).astype(np.float32)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return True


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
