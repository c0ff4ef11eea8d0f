"""Flows written by hand, and graphs of single layers: what passes are tried on."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.model import QuantParams, TensorSpec
from edgemnv2.ops.flow import Constant, Flow, Node
from edgemnv2.ops.graph import Graph, Layer, Tensor

__all__ = ["constant", "conv2d", "flow_of", "graph_of", "node", "ops", "quantised"]


def constant(values: Any, dtype: str = "float32") -> Constant:
    return Constant(np.asarray(values, dtype))


def node(op: str, *inputs: str | Constant, to: str, **attrs: Any) -> Node:
    return Node(op, inputs, to, attrs, f"node {to!r}")


def conv2d(x: str, weight: Any, to: str, *more: Constant, **attrs: Any) -> Node:
    """A dense convolution as the front ends write it."""
    plain = {
        "stride": (1, 1),
        "padding": (0, 0, 0, 0),
        "dilation": (1, 1),
        "groups": 1,
        "data_layout": "NHWC",
    }
    return node("conv2d", x, constant(weight), *more, to=to, **{**plain, **attrs})


def quantised(op: str, x: str, to: str, scale: float, zero: int, dtype: str = "int8") -> Node:
    """A quantise or dequantise node."""
    return node(op, x, constant(scale), constant(zero, "int32"), to=to, axis=-1, dtype=dtype)


def flow_of(
    nodes: list[Node],
    shapes: dict[str, tuple[int, ...]],
    outputs: tuple[str, ...],
    dtypes: dict[str, str] | None = None,
) -> Flow:
    """A flow of the input `x`; every tensor is float32 that `dtypes` does not name."""
    types = dict.fromkeys(shapes, "float32") | (dtypes or {})
    return Flow(tuple(nodes), shapes, types, ("x",), outputs, "file")


def ops(flow: Flow) -> list[str]:
    return [x.op for x in flow.nodes]


def graph_of(
    layers: list[Layer],
    tensors: dict[str, tuple[str, QuantParams | None]],
    outputs: tuple[str, ...],
    shape: tuple[int, int, int] = (4, 4, 2),
) -> Graph:
    """A graph of the input `x` whose tensors are all of one shape; type and scale by name."""
    made = {name: Tensor(name, *shape, dtype, quant) for name, (dtype, quant) in tensors.items()}
    specs = [TensorSpec(name, (1, *shape), "float32", "NHWC") for name in ("x", *outputs)]
    ends = (specs[0],), tuple(specs[1:])
    return Graph("net", made, tuple(layers), ("x",), outputs, *ends)
