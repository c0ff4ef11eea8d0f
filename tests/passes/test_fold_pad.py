"""Paddings with real zeros are the convolution's own; any other stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgemnv2.ops.flow import Flow
from edgemnv2.passes.fold_pad import fold_pad
from tests.passes.flows import conv2d, flow_of, node, ops, quantised

WEIGHT = np.ones((3, 3, 2, 2))
PAIRS = ((0, 0), (1, 2), (3, 4), (0, 0))
SHAPES = {"x": (1, 5, 5, 2), "p": (1, 8, 12, 2), "q": (1, 8, 12, 2), "y": (1, 6, 10, 2)}


def padded(value: float = 0.0, pairs: Any = PAIRS, mode: str = "constant", **of: Any) -> Flow:
    pad = node("pad", "x", to="p", pairs=pairs, value=value, mode=mode)
    return flow_of([pad, conv2d("p", WEIGHT, "y", **of)], SHAPES, ("y",))


def test_zeros_in_front_are_the_convolutions_padding() -> None:
    flow = fold_pad(padded(padding=(1, 0, 0, 1)))
    assert ops(flow) == ["conv2d"] and flow.nodes[0].tensors == ("x",)
    # Top, left, bottom, right: its own and the pad's.
    assert flow.nodes[0].attrs["padding"] == (2, 3, 2, 5)


@pytest.mark.parametrize(
    "other",
    [
        {"value": 1.0},
        {"mode": "reflect"},
        {"pairs": ((0, 0), (1, 1), (1, 1), (0, 1))},
        {"pairs": ((1, 0), (1, 1), (1, 1), (0, 0))},
    ],
    ids=str,
)
def test_other_values_axes_and_modes_stay(other: dict[str, Any]) -> None:
    assert ops(fold_pad(padded(**other))) == ["pad", "conv2d"]


def test_what_others_read_too_stays() -> None:
    flow = padded()
    both = flow_of([*flow.nodes, node("relu", "p", to="q")], SHAPES, ("y", "q"))
    assert ops(fold_pad(both)) == ["pad", "conv2d", "relu"]


@pytest.mark.parametrize(("value", "left"), [(-7, ["dequantize", "conv2d"]), (0, None)])
def test_of_stored_values_the_zero_point_is_zero(value: int, left: list[str] | None) -> None:
    nodes = [
        node("pad", "x", to="p", pairs=PAIRS, value=value, mode="constant"),
        quantised("dequantize", "p", "q", 0.5, -7),
        conv2d("q", WEIGHT, "y"),
    ]
    flow = fold_pad(flow_of(nodes, SHAPES, ("y",), {"x": "int8", "p": "int8"}))
    assert ops(flow) == (left or ["pad", "dequantize", "conv2d"])
    if left:
        # What lies between has the size that it has without a padding.
        assert flow.shapes["q"] == SHAPES["x"]


def test_through_a_permutation_pairs_are_permuted() -> None:
    shapes = {**SHAPES, "q": (1, 2, 8, 12)}
    nodes = [
        node("pad", "x", to="p", pairs=PAIRS, value=0.0, mode="constant"),
        node("permute", "p", to="q", axes=(0, 3, 1, 2)),
        conv2d("q", WEIGHT, "y", data_layout="NCHW"),
    ]
    flow = fold_pad(flow_of(nodes, shapes, ("y",)))
    assert ops(flow) == ["permute", "conv2d"]
    assert flow.shapes["q"] == (1, 2, 5, 5)
    assert flow.nodes[1].attrs["padding"] == (1, 3, 2, 4)
