"""Nodes on constants alone are computed once, here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.errors import ModelError
from edgemnv2.passes import lower
from edgemnv2.passes.fold_constants import fold_constants
from tests.networks.against import litert, random_samples, reference
from tests.networks.tflite_net import TfliteNet
from tests.passes.flows import constant, flow_of, node, ops


def test_a_chain_of_constants_becomes_one() -> None:
    weight = np.arange(6).reshape(2, 3)
    nodes = [
        node("permute", constant(weight), to="w", axes=(1, 0)),
        node("reshape", "w", to="v", shape=(6,)),
        node("add", "x", "v", to="y"),
    ]
    shapes = {"x": (1, 6), "w": (3, 2), "v": (6,), "y": (1, 6)}
    flow = fold_constants(flow_of(nodes, shapes, ("y",)), lower)
    assert ops(flow) == ["add"]
    np.testing.assert_array_equal(flow.nodes[0].constant(1).values, weight.T.reshape(6))


def test_what_reads_an_activation_is_left() -> None:
    nodes = [node("reshape", "x", to="y", shape=(6,))]
    flow = fold_constants(flow_of(nodes, {"x": (1, 6), "y": (6,)}, ("y",)), lower)
    assert ops(flow) == ["reshape"]


def test_a_window_over_a_constant_of_tflite_is_litert_s(
    require_module: Callable[[str], None], tmp_path: Path
) -> None:
    """Its axes are another format's than those of ONNX."""
    require_module("ai_edge_litert")
    random, net, shape = np.random.default_rng(0), TfliteNet(), (1, 3, 4, 3)
    table = net.constant(random.normal(size=(1, 6, 8, 3)).astype(np.float32))
    x, pooled, y = (net.tensor(shape, "float32") for _ in range(3))
    options = {"padding": 1, "stride_w": 2, "stride_h": 2, "filter_width": 2, "filter_height": 2}
    net.add("MAX_POOL_2D", [table], [pooled], "Pool2DOptions", **options)
    net.add("ADD", [x, pooled], [y], "AddOptions")
    blob, samples = net.build([x], [y]), random_samples(shape, "float32", 2, 0)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_array_equal(ours, litert(blob, samples)[0])


def test_a_node_of_constants_that_makes_several_tensors_is_told() -> None:
    several = replace(
        node("top_k", constant(np.arange(6.0, dtype=np.float32)), to="w", k=2), more_outputs=("i",)
    )
    nodes = [several, node("add", "x", "w", to="y")]
    shapes = {"x": (2,), "w": (2,), "i": (2,), "y": (2,)}
    with pytest.raises(ModelError, match=r"'top_k' of constants alone .* makes 2 tensors"):
        fold_constants(flow_of(nodes, shapes, ("y",)), lower)
