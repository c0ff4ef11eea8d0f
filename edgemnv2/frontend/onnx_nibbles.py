"""ONNX -> ONNX: integers of four and of two bits -> those of eight, which hold the same values."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["widen_integers"]

NARROW = {
    "INT4": ("INT8", -8, 7),
    "UINT4": ("UINT8", 0, 15),
    "INT2": ("INT8", -2, 1),
    "UINT2": ("UINT8", 0, 3),
}
"""By ONNX's name: the type that takes its place, and what it holds."""
STORING = ("DequantizeLinear", "QuantizeLinear")


def widen_integers(model: Any) -> None:
    """Rewrite constants of NARROW types, and what quantise nodes store in them, in `model`.

    A value that is quantised saturates at the ends of the narrow type, so a Clip to them stands
    behind. Casts to such types stay, and are refused by name where their result is read.
    """
    import onnx

    kinds = {
        getattr(onnx.TensorProto, name): (getattr(onnx.TensorProto, wide), low, high)
        # Two bits are younger than the oldest onnx that we run with.
        for name, (wide, low, high) in NARROW.items()
        if hasattr(onnx.TensorProto, name)
    }
    found: dict[str, int] = {}
    for tensor in model.graph.initializer:
        _widen(tensor, kinds, found, tensor.name)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR and len(node.output):
                _widen(attribute.t, kinds, found, node.output[0])
    nodes: list[Any] = []
    for node in model.graph.node:
        nodes.append(node)
        if node.op_type not in STORING:
            continue
        kind = _stored_kind(node, kinds, found)
        if kind and node.op_type == "QuantizeLinear":
            nodes.extend(_clipped(model, node, kinds[kind]))
    if len(nodes) > len(model.graph.node):
        copies = [onnx.NodeProto.FromString(x.SerializeToString()) for x in nodes]
        del model.graph.node[:]
        model.graph.node.extend(copies)


def _widen(tensor: Any, kinds: Any, found: dict[str, int], name: str) -> None:
    """The constant `name` in eight bits; `found` keeps what it was."""
    import onnx

    if tensor.data_type not in kinds:
        return
    found[name] = tensor.data_type
    wide = onnx.helper.tensor_dtype_to_np_dtype(kinds[tensor.data_type][0])
    values = onnx.numpy_helper.to_array(tensor).astype(wide)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def _stored_kind(node: Any, kinds: Any, found: dict[str, int]) -> int:
    """The narrow type that a quantise node makes, 0 if it is none; its attribute is rewritten."""
    kind = found.get(node.input[2], 0) if len(node.input) > 2 else 0
    for attribute in node.attribute:
        if attribute.name == "output_dtype" and attribute.i in kinds:
            kind = attribute.i
            attribute.i = kinds[kind][0]
    return kind


def _clipped(model: Any, node: Any, kind: tuple[int, int, int]) -> list[Any]:
    """Behind `node`, whose output gets another name: a Clip to what the narrow type holds."""
    import onnx

    wide, *ends = kind
    output = node.output[0]
    node.output[0] = f"{output}.wide"
    names = [f"{output}.low", f"{output}.high"]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(wide)
    for name, end in zip(names, ends, strict=True):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(end, dtype), name))
    return [onnx.helper.make_node("Clip", [node.output[0], *names], [output], name=node.name)]
