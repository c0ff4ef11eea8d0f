"""Layers are named by their place in the architecture, tensors by the layer that makes them."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.frontend.network import build_network
from edgemnv2.ops.clamp.layer import Clamp
from edgemnv2.passes import lower
from edgemnv2.passes.name_layers import name_layers
from tests.passes.flows import graph_of


def test_names_are_those_of_the_architecture() -> None:
    graph = lower(build_network(0.35, 32, classes=5))
    names = [x.name for x in graph.layers]
    assert names[:6] == [
        "stem",
        "block1.depthwise",
        "block1.project",
        "block2.expand",
        "block2.depthwise",
        "block2.project",
    ]
    assert names[-3:] == ["head", "pool", "classifier"]
    assert {x.split(".")[1] for x in names if "." in x} == {"expand", "depthwise", "project", "add"}
    assert all(x.output == x.name for x in graph.layers)
    assert graph.inputs == ("input",) and set(graph.tensors) == {"input", *names}


def test_names_that_were_there_do_not_matter() -> None:
    graph = lower(build_network(0.35, 32, classes=5))
    new = {name: f"t{number}" for number, name in enumerate(graph.tensors)}
    scrambled = replace(
        graph,
        tensors={new[name]: replace(x, name=new[name]) for name, x in graph.tensors.items()},
        layers=tuple(
            replace(
                x,
                name=f"l{number}",
                inputs=tuple(new[name] for name in x.inputs),
                output=new[x.output],
            )
            for number, x in enumerate(graph.layers)
        ),
        inputs=tuple(new[name] for name in graph.inputs),
        outputs=tuple(new[name] for name in graph.outputs),
        origins={},
    )
    again = name_layers(scrambled)
    assert [x.name for x in again.layers] == [x.name for x in graph.layers]
    assert [x.inputs for x in again.layers] == [x.inputs for x in graph.layers]
    assert again.outputs == graph.outputs


def test_layers_of_one_role_are_numbered() -> None:
    layers = [Clamp(n, (i,), n, (0.0, 6.0)) for n, i in (("a", "x"), ("b", "a"), ("c", "b"))]
    graph = graph_of(layers, dict.fromkeys(("x", "a", "b", "c"), ("float32", None)), ("c",))
    assert [x.name for x in name_layers(graph).layers] == ["clamp", "clamp2", "clamp3"]
