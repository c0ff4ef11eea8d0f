"""Activations are float16 but for the ends and what exponentials read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgemnv2.errors import UsageError
from edgemnv2.frontend.network import build_network
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.passes import lower
from edgemnv2.passes.to_float16 import to_float16
from edgemnv2.target import load_target


def test_ends_and_what_softmax_reads_stay_float32() -> None:
    graph = lower(build_network(0.35, 32, classes=5))
    (scores,) = graph.outputs
    tensors = {**graph.tensors, "y": replace(graph.tensors[scores], name="y")}
    softmax = Softmax("softmax", (scores,), "y")
    graph = replace(graph, tensors=tensors, layers=(*graph.layers, softmax), outputs=("y",))
    halved = to_float16(graph, load_target("rpi5"))
    kept = {name for name, tensor in halved.tensors.items() if tensor.dtype == "float32"}
    assert kept == {*graph.inputs, scores, "y"}
    assert {x.dtype for x in halved.tensors.values()} == {"float32", "float16"}


def test_integers_and_cores_without_float16_are_refused() -> None:
    with pytest.raises(UsageError, match="has no float16 arithmetic"):
        to_float16(lower(build_network(0.35, 32, classes=5)), load_target("rpi4"))
    with pytest.raises(UsageError, match=r"is quantised, .* in it is int8"):
        to_float16(lower(build_network(0.35, 32, classes=5, int8=True)), load_target("rpi5"))
