"""The verifier of lowered graphs rejects planted faults, one of each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.frontend.network import build_network
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.validate import validate
from edgemnv2.passes import lower


@pytest.fixture(scope="module")
def good() -> Graph:
    return lower(build_network(0.35, 32, classes=5, int8=True))


def changed(graph: Graph, target: str, /, **changes: Any) -> Graph:
    layers = tuple(replace(x, **changes) if x.name == target else x for x in graph.layers)
    return replace(graph, layers=layers)


def layer(graph: Graph, name: str) -> Any:
    return next(x for x in graph.layers if x.name == name)


def tensor(graph: Graph, name: str, **changes: Any) -> Graph:
    tensors = {**graph.tensors, name: replace(graph.tensors[name], **changes)}
    return replace(graph, tensors=tensors)


def factor(graph: Graph, multiplier: int, shift: int) -> Requantize:
    channels = graph.tensors["stem"].channels
    return Requantize(np.full(channels, multiplier, np.int32), np.full(channels, shift, np.int32))


FAULTS: dict[str, tuple[Callable[[Graph], Graph], str]] = {
    "order": (
        lambda g: replace(g, layers=(g.layers[1], g.layers[0], *g.layers[2:])),
        "reads 'stem' before it is made",
    ),
    "second definition": (
        lambda g: replace(g, layers=(*g.layers, g.layers[-1])),
        "makes 'classifier' again",
    ),
    "lost layer": (
        lambda g: replace(g, layers=g.layers[:-1]),
        "tensors without a definition",
    ),
    "unknown output": (lambda g: replace(g, outputs=("x",)), "output 'x' is never made"),
    "layer that nobody reads": (
        lambda g: replace(g, outputs=("pool",)),
        "layer 'classifier': is read by nobody",
    ),
    "one name twice": (
        lambda g: changed(g, "head", name="stem"),
        "two layers have one name",
    ),
    "shape": (lambda g: tensor(g, "stem", height=15), "of another shape"),
    "padding": (lambda g: changed(g, "stem", padding=(0, 0, 0, 0)), "of another shape"),
    "input channels": (lambda g: tensor(g, "input", channels=4), "number of input channels"),
    "bias length": (
        lambda g: changed(g, "stem", bias=np.zeros(3, np.int32)),
        "bias is not one per channel",
    ),
    "bias type": (
        lambda g: changed(g, "stem", bias=layer(g, "stem").bias.astype(np.int64)),
        "bias is not int32",
    ),
    "weight type": (
        lambda g: changed(g, "stem", weight=layer(g, "stem").weight.astype(np.float32)),
        "weight is not int8 or int16",
    ),
    "residual shape": (lambda g: tensor(g, "block3.add", width=3), "keep their shape"),
    "pooling": (lambda g: tensor(g, "pool", height=2), "pooling gives one pixel"),
    "empty clamp": (lambda g: changed(g, "stem", clamp=(5, 4)), "clamp (5, 4) is empty"),
    "clamp beyond the type": (lambda g: changed(g, "stem", clamp=(-128, 128)), "outside int8"),
    "no scale": (lambda g: tensor(g, "stem", quant=None), "without a scale"),
    "no factor": (lambda g: changed(g, "stem", requantize=None), "without a factor"),
    "no sum factors": (lambda g: changed(g, "block3.add", rescale=None), "sum without factors"),
    "multiplier": (
        lambda g: changed(g, "stem", requantize=factor(g, 2**29, 0)),
        "multiplier is not normalised",
    ),
    "shift": (
        lambda g: changed(g, "stem", requantize=factor(g, 2**30, -40)),
        "shift is out of range",
    ),
    "factor length": (
        lambda g: changed(
            g, "stem", requantize=Requantize(np.array([2**30], np.int32), np.zeros(1, np.int32))
        ),
        "factor is not one per channel",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str, good: Graph) -> None:
    plant, expected = FAULTS[name]
    with pytest.raises(ValueError) as caught:
        validate(plant(good))
    assert expected in str(caught.value)


def test_a_good_graph_passes_unchanged(good: Graph) -> None:
    assert validate(good) is good
