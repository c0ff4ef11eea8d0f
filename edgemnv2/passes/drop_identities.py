"""Operations that change nothing -> nothing: quantise(dequantise(x)) of equal parameters, casts."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Flow, Node, alias, producers

__all__ = ["drop_identities", "same_quantization"]


def drop_identities(flow: Flow) -> Flow:
    """The flow without quantise nodes that restore what a dequantise node took apart."""
    made_by = producers(flow)
    names: dict[str, str] = {}
    for node in flow.nodes:
        before = made_by.get(node.tensors[0]) if node.tensors else None
        if node.op == "astype" and flow.dtypes[node.tensors[0]] == node.attrs["dtype"]:
            names[node.output] = node.tensors[0]
        elif node.op == "quantize" and before is not None and before.op == "dequantize":
            same_dtype = flow.dtypes[before.tensors[0]] == node.attrs["dtype"]
            if same_dtype and same_quantization(before, node) and _unclamped(node):
                names[node.output] = before.tensors[0]
    return alias(flow, names)


def same_quantization(a: Node, b: Node) -> bool:
    """Whether two (de)quantise nodes have equal scale and zero point."""
    return all(np.array_equal(a.constant(i).values, b.constant(i).values) for i in (1, 2))


def _unclamped(node: Node) -> bool:
    limits = np.iinfo(node.attrs["dtype"])
    low, high = node.attrs.get("clamp", (-np.inf, np.inf))
    return bool(low <= limits.min and high >= limits.max)
