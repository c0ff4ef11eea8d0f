"""Clips are the clamp of the operation in front of them, where that has one and none sees both."""

from __future__ import annotations

import math

import numpy as np

from edgemnv2.passes.fuse_clamp import fuse_clamp
from tests.passes.flows import conv2d, flow_of, node, ops

WEIGHT = np.ones((1, 1, 2, 2))
SHAPES = dict.fromkeys(("x", "a", "b", "y"), (2, 2, 2))
NONE = (-math.inf, math.inf)


def test_a_clip_is_the_clamp_of_a_convolution() -> None:
    nodes = [conv2d("x", WEIGHT, "a"), node("clip", "a", to="y", clamp=(0.0, 6.0))]
    flow = fuse_clamp(flow_of(nodes, SHAPES, ("y",)))
    assert ops(flow) == ["conv2d"]
    assert flow.nodes[0].attrs["clamp"] == (0.0, 6.0) and flow.nodes[0].output == "y"


def test_a_second_clip_narrows_the_first() -> None:
    nodes = [
        conv2d("x", WEIGHT, "a"),
        node("clip", "a", to="b", clamp=(0.0, 6.0)),
        node("clip", "b", to="y", clamp=(-1.0, 4.0)),
    ]
    assert fuse_clamp(flow_of(nodes, SHAPES, ("y",))).nodes[0].attrs["clamp"] == (0.0, 4.0)


def test_clips_that_do_not_meet_give_one_value() -> None:
    """A clip to 7 .. 9 of what lies in 0 .. 6 is 7."""
    nodes = [
        conv2d("x", WEIGHT, "a"),
        node("clip", "a", to="b", clamp=(0.0, 6.0)),
        node("clip", "b", to="y", clamp=(7.0, 9.0)),
    ]
    assert fuse_clamp(flow_of(nodes, SHAPES, ("y",))).nodes[0].attrs["clamp"] == (7.0, 7.0)


def test_what_is_read_before_the_clip_keeps_it_apart() -> None:
    nodes = [conv2d("x", WEIGHT, "a"), node("clip", "a", to="y", clamp=(0.0, 6.0))]
    flow = fuse_clamp(flow_of(nodes, SHAPES, ("y", "a")))
    assert ops(flow) == ["conv2d", "clip"] and flow.nodes[0].attrs["clamp"] == NONE


def test_a_clip_of_an_input_is_a_node() -> None:
    flow = flow_of([node("clip", "x", to="y", clamp=(0.0, 6.0))], SHAPES, ("y",))
    assert ops(fuse_clamp(flow)) == ["clip"]
