"""ONNX -> ONNX: float16 tensors -> float32, networks that quantise while they run -> float.

Both are computed in float32 with the stored weights, which the model's notes say.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.model import DYNAMIC_RANGE, FLOAT16, Note

__all__ = ["widen"]

Array = NDArray[Any]
FLOAT16_TEXT = "float16 tensors are computed in float32, and are float32 at inputs and outputs"
DYNAMIC_RANGE_TEXT = (
    "weights have 8 bits, activations are quantised while the network runs (dynamic range): "
    "computed as a float network with the stored weights; the framework rounds activations to 8 "
    "bits on the way, so its outputs differ"
)
PRODUCTS = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}


def widen(model: Any) -> tuple[Note, ...]:
    """Rewrite `model`; what was changed."""
    narrow = _float16_to_float32(model)
    dynamic = _dynamic_to_float(model)
    if narrow or dynamic:
        _drop_float_casts(model)
    notes = []
    if narrow:
        notes.append(Note(FLOAT16, FLOAT16_TEXT))
    if dynamic:
        notes.append(Note(DYNAMIC_RANGE, DYNAMIC_RANGE_TEXT))
    return tuple(notes)


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


def _dynamic_to_float(model: Any) -> bool:
    """Integer products of what is quantised on the way -> float products; whether there was any.

    Scale 1 and zero point 0 stand for what the framework would choose: the factor behind a product
    is that of the weights alone then.
    """
    dynamic = [x for x in model.graph.node if x.op_type == "DynamicQuantizeLinear"]
    stored = {name for node in dynamic for name in node.output[:1]}
    arrays = {x.name: x for x in model.graph.initializer}
    readers = [x for x in model.graph.node if any(name in stored for name in x.input)]
    if not dynamic or not all(_is_product(x, stored, arrays) for x in readers):
        return False
    for node in readers:
        _to_float_product(model, node, arrays)
    for node in dynamic:
        for name, value in zip(node.output[1:], (1.0, 0.0), strict=False):
            _add_constant(model, name, np.array(value, np.float32))
        del node.output[1:]
        node.op_type = "Identity"
        node.domain = ""
    return True


def _is_product(node: Any, stored: set[str], arrays: dict[str, Any]) -> bool:
    """Whether `node` is an integer product of a dynamic operand and constant weights."""
    constant = len(node.input) > 1 and node.input[1] in arrays
    zero = len(node.input) < 4 or not node.input[3] or node.input[3] in arrays
    return node.op_type in PRODUCTS and node.input[0] in stored and constant and zero


def _to_float_product(model: Any, node: Any, arrays: dict[str, Any]) -> None:
    import onnx

    weight = onnx.numpy_helper.to_array(arrays[node.input[1]]).astype(np.float32)
    if len(node.input) > 3 and node.input[3]:
        zero = onnx.numpy_helper.to_array(arrays[node.input[3]]).astype(np.float32).reshape(-1)
        # One per output channel: the first axis of a kernel, the last of a matrix.
        along = zero.size > 1 and node.op_type == "ConvInteger"
        weight = weight - (zero.reshape(-1, *[1] * (weight.ndim - 1)) if along else zero)
    name = f"{node.output[0]}.weights"
    _add_constant(model, name, weight)
    node.op_type = PRODUCTS[node.op_type]
    first = node.input[0]
    del node.input[:]
    node.input.extend([first, name])


def _add_constant(model: Any, name: str, values: Array) -> None:
    import onnx

    model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))


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
