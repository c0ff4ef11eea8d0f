"""Between dequantise and quantise nodes an operation is one of integers; else it is of floats."""

from __future__ import annotations

import math

import pytest

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.model import TensorSpec
from edgemnv2.ops.flow import Flow
from edgemnv2.ops.model import Model
from edgemnv2.passes.to_layers import to_layers
from tests.passes.flows import flow_of, node, quantised

SHAPES = dict.fromkeys(("x", "a", "b", "y"), (2, 2, 3))
UNBOUNDED = (-math.inf, math.inf)
INTEGER = {"x": "int8", "y": "int8"}


def model_of(flow: Flow) -> Model:
    inputs, outputs = (
        tuple(TensorSpec(n, (1, *flow.shapes[n]), flow.dtypes[n], "NHWC") for n in names)
        for names in (flow.inputs, flow.outputs)
    )
    return Model("net", flow, inputs, outputs, "file", "0" * 64, "tflite")


def sandwich(outputs: tuple[str, ...] = ("y",)) -> Flow:
    nodes = [
        quantised("dequantize", "x", "a", 0.5, 3),
        node("tanh", "a", to="b"),
        # As `fuse_clamp` leaves it.
        quantised("quantize", "b", "y", 0.0078125, 0).with_attrs(clamp=UNBOUNDED),
    ]
    return flow_of(nodes, SHAPES, outputs, INTEGER)


def kinds(flow: Flow) -> list[str]:
    return [x.op for x in to_layers(flow, model_of(flow)).layers]


def test_an_operation_between_the_two_is_of_integers() -> None:
    graph = to_layers(sandwich(), model_of(sandwich()))
    assert [x.op for x in graph.layers] == ["tanh"]
    assert {x.dtype for x in graph.tensors.values() if x.name in ("x", "y")} == {"int8"}
    assert graph.input_specs[0].quant is not None and graph.output_specs[0].quant is not None


def test_a_real_value_that_is_read_keeps_it_of_floats() -> None:
    assert kinds(sandwich(("y", "b"))) == ["dequantize", "tanh", "quantize"]


def test_floats_stay_floats() -> None:
    assert kinds(flow_of([node("tanh", "x", to="y")], SHAPES, ("y",))) == ["tanh"]


def test_integers_of_which_nothing_is_known_are_refused() -> None:
    flow = flow_of([node("tanh", "x", to="y")], SHAPES, ("y",), INTEGER)
    with pytest.raises(UnsupportedOperator, match="holds integers without a scale"):
        to_layers(flow, model_of(flow))
