"""Layers that no output depends on are not compiled."""

from __future__ import annotations

from edgemnv2.ops.clamp.layer import Clamp
from edgemnv2.passes.drop_unread import drop_unread
from tests.passes.flows import graph_of

RELU = (0.0, float("inf"))


def test_only_what_an_output_depends_on_is_left() -> None:
    layers = [
        Clamp("a", ("x",), "a", RELU),
        Clamp("lost", ("a",), "lost", RELU),
        Clamp("more", ("lost",), "more", RELU),
        Clamp("y", ("a",), "y", RELU),
    ]
    names = ("x", "a", "lost", "more", "y")
    graph = drop_unread(graph_of(layers, dict.fromkeys(names, ("float32", None)), ("y",)))
    assert [x.name for x in graph.layers] == ["a", "y"]
    assert set(graph.tensors) == {"x", "a", "y"}


def test_an_input_that_nobody_reads_stays() -> None:
    graph = graph_of([], {"x": ("float32", None)}, ("x",))
    assert drop_unread(graph).tensors.keys() == {"x"}
