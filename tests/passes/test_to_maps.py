"""Every tensor is a map; layouts are views of it, and the outputs say which they have."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.model import TensorSpec
from edgemnv2.passes.to_maps import to_maps
from tests.passes.flows import flow_of, node, ops

NHWC, NCHW = (1, 4, 5, 3), (1, 3, 4, 5)


def spec(name: str, shape: tuple[int, ...], layout: str) -> TensorSpec:
    return TensorSpec(name, shape, "float32", layout)


@pytest.mark.parametrize(("shape", "layout"), [(NHWC, "NHWC"), (NCHW, "NCHW")])
def test_either_layout_is_one_map(shape: tuple[int, ...], layout: str) -> None:
    flow = flow_of([node("abs", "x", to="y")], {"x": shape, "y": shape}, ("y",))
    mapped, (out,) = to_maps(flow, (spec("x", shape, layout),), (spec("y", shape, layout),))
    assert mapped.shapes["x"] == mapped.shapes["y"] == (4, 5, 3)
    assert ops(mapped) == ["abs"] and out.layout == layout


def test_a_transpose_to_and_fro_moves_nothing() -> None:
    nodes = [
        node("permute", "x", to="a", axes=(0, 2, 3, 1)),
        node("abs", "a", to="b"),
        node("permute", "b", to="y", axes=(0, 3, 1, 2)),
    ]
    flow = flow_of(nodes, {"x": NCHW, "a": NHWC, "b": NHWC, "y": NCHW}, ("y",))
    mapped, (out,) = to_maps(flow, (spec("x", NCHW, "NCHW"),), (spec("y", NCHW, "NCHW"),))
    assert ops(mapped) == ["abs"] and out.layout == "NCHW"


def test_an_output_that_memory_does_not_have_is_moved() -> None:
    """A transpose of height and width is neither layout: data moves, once."""
    turned = (1, 5, 4, 3)
    flow = flow_of(
        [node("permute", "x", to="y", axes=(0, 2, 1, 3))], {"x": NHWC, "y": turned}, ("y",)
    )
    mapped, (out,) = to_maps(flow, (spec("x", NHWC, "NHWC"),), (spec("y", turned, "NHWC"),))
    assert len(mapped.nodes) == 1 and out.layout == "NHWC"
    assert int(np.prod(mapped.shapes[mapped.outputs[0]])) == 60


def test_an_operator_that_nobody_arranges_is_refused_by_name() -> None:
    flow = flow_of([node("mystery", "x", to="y")], {"x": NHWC, "y": NHWC}, ("y",))
    with pytest.raises(UnsupportedOperator, match="'mystery' on an activation"):
        to_maps(flow, (spec("x", NHWC, "NHWC"),), (spec("y", NHWC, "NHWC"),))
