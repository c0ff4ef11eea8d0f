"""A convolution over every n-th pixel as an image of its own is a dilated one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.ops.flow import Flow, Node
from edgemnv2.passes.fold_batch_blocks import fold_batch_blocks
from tests.passes.flows import constant, conv2d, flow_of, node, ops

WEIGHT = np.ones((3, 3, 2, 2))
SHAPES = {
    "x": (1, 8, 8, 2),
    "s": (4, 6, 6, 2),
    "c": (4, 4, 4, 2),
    "d": (4, 4, 4, 2),
    "y": (1, 8, 8, 2),
}


def blocks(
    *between: Node, join: Any = (2, 2), crops: Any = ((0, 0), (0, 0)), last: str = "c", **of: Any
) -> Flow:
    """Blocks of 2 x 2 whose padding of two is what a kernel of three needs at dilation 2."""
    nodes = [
        node("space_to_batch", "x", to="s", block=(2, 2), pads=((2, 2), (2, 2))),
        conv2d("s", WEIGHT, "c", **of),
        *between,
        node("batch_to_space", last, to="y", block=join, crops=crops),
    ]
    return flow_of(nodes, SHAPES, ("y",))


def test_it_is_one_dilated_convolution() -> None:
    flow = fold_batch_blocks(blocks())
    assert ops(flow) == ["conv2d"]
    (only,) = flow.nodes
    assert only.tensors == ("x",) and only.output == "y"
    assert only.attrs["dilation"] == (2, 2) and only.attrs["padding"] == (2, 2, 2, 2)


def test_elementwise_nodes_between_stay_and_have_the_whole_shape() -> None:
    bias = node("add", "c", constant([1, 2]), to="d")
    flow = fold_batch_blocks(blocks(bias, last="d"))
    assert ops(flow) == ["conv2d", "add"]
    assert flow.nodes[1].output == "y" and flow.shapes["c"] == (1, 8, 8, 2)


def test_crops_take_padding_away() -> None:
    flow = fold_batch_blocks(blocks(crops=((0, 1), (1, 0))))
    assert flow.nodes[0].attrs["padding"] == (2, 1, 1, 2)


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (blocks(join=(2, 3)), "1 convolutions before"),
        (blocks(stride=(2, 2)), r"has stride \(2, 2\)"),
        (blocks(crops=((3, 0), (0, 0))), "more is cut off"),
        (blocks(node("softmax", "c", to="d"), last="d"), "follows it"),
    ],
    ids=["other blocks", "stride", "crops", "another operator"],
)
def test_anything_else_would_have_a_batch_and_is_refused(flow: Flow, message: str) -> None:
    with pytest.raises(UnsupportedOperator, match=message):
        fold_batch_blocks(flow)


def test_a_join_alone_is_refused() -> None:
    join = node("batch_to_space", "x", to="y", block=(2, 2), crops=((0, 0), (0, 0)))
    with pytest.raises(UnsupportedOperator, match="no SPACE_TO_BATCH_ND belongs to it"):
        fold_batch_blocks(flow_of([join], SHAPES, ("y",)))
