"""ONNX files of one operator on one float image."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

__all__ = ["one_operator"]


def one_operator(
    operator: str,
    shape: Any,
    constants: dict[str, Any] | None = None,
    *,
    opset: int = 17,
    inputs: tuple[str, ...] | None = None,
    **attributes: Any,
) -> bytes:
    """The file: input `x` of `shape`, then `constants` in order (or `inputs`, "" for none)."""
    constants = constants or {}
    names = inputs if inputs is not None else ("x", *constants)
    node = helper.make_node(operator, list(names), ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return bytes(model.SerializeToString())
