"""Nodes that no output needs: neither refused nor compiled."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgemnv2.check.verify import SampleChoice, verify
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.passes.drop_unused import drop_unused
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import runner_for
from tests.networks.tflite_net import TfliteNet
from tests.passes.flows import flow_of, node


def _unused_ends(path: Path) -> Path:
    net = TfliteNet()
    x = net.tensor([1, 6, 6, 4], "int8", 0.1, 3)
    halves = [net.tensor([1, 6, 6, 2], "int8", 0.1, 3) for _ in range(2)]
    net.add("SPLIT", [net.constant(np.array(3, np.int32)), x], halves, "SplitOptions", num_splits=2)
    head, unused = (net.tensor([1, 6, 6, 2], "int8", 0.1, 3) for _ in range(2))
    net.add("RELU", [halves[0]], [head])
    net.add("RELU6", [x], [net.tensor([1, 6, 6, 4], "int8", 0.1, 3)])
    net.add("RELU6", [head], [unused])
    path.write_bytes(net.build([x], [head]))
    return path


def test_only_what_an_output_depends_on_is_left() -> None:
    chain = [("x", "a"), ("a", "lost"), ("lost", "more"), ("a", "y")]
    shapes = dict.fromkeys(("x", "a", "lost", "more", "y"), (1, 4, 4, 2))
    flow = flow_of([node("relu", x, to=y) for x, y in chain], shapes, ("y",))
    assert [x.output for x in drop_unused(flow).nodes] == ["a", "y"]


def test_what_no_output_needs_is_dropped(tmp_path: Path) -> None:
    graph = lower(load_model(_unused_ends(tmp_path / "net.tflite")))
    read = {name for layer in graph.layers for name in layer.inputs} | set(graph.outputs)
    assert all(layer.output in read for layer in graph.layers)


def test_a_network_with_unused_ends_compiles_and_is_exact(tmp_path: Path) -> None:
    source = _unused_ends(tmp_path / "net.tflite")
    artifact = compile_model(source, "host", tmp_path / "net")
    assert verify(artifact, runner_for(artifact), SampleChoice(random=2)).exact
