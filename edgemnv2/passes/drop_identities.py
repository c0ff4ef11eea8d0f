"""Operations that change nothing -> nothing: quantise(dequantise(x)) of equal parameters, casts."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Flow, Node, alias, producers, same_quantization

__all__ = ["drop_identities"]


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


def _unclamped(node: Node) -> bool:
    limits = np.iinfo(node.attrs["dtype"])
    low, high = node.attrs.get("clamp", (-np.inf, np.inf))
    return bool(low <= limits.min and high >= limits.max)
