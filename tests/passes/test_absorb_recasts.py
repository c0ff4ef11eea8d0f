"""A change of storage between uint8 and int8 is no arithmetic: nothing is left of it inside."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.passes.absorb_recasts import absorb_recasts
from tests.passes.flows import graph_of

ONE = Requantize(np.array([1 << 30], np.int32), np.array([1], np.int32))
UNSIGNED, SIGNED = ("uint8", QuantParams(0.5, 130)), ("int8", QuantParams(0.5, 2))
OTHER = ("int8", QuantParams(0.25, 2))


def recast(source: str, to: str, clamp: tuple[int, int] = (-128, 127)) -> Layer:
    return Rescale(to, (source,), to, ONE, clamp)


def chain(*kinds: tuple[str, QuantParams], clamps: dict[str, tuple[int, int]]) -> Graph:
    """Tensors x, t1, t2, ..., the last of which is the output, and what changes one to the next."""
    names = ["x", *(f"t{i}" for i in range(1, len(kinds)))]
    layers = [
        recast(a, b, clamps.get(b, (-128, 127) if kinds[i + 1][0] == "int8" else (0, 255)))
        for i, (a, b) in enumerate(pairwise(names))
    ]
    return graph_of(layers, dict(zip(names, kinds, strict=True)), (names[-1],))


def test_a_recast_in_front_of_a_layer_is_read_through() -> None:
    graph = absorb_recasts(chain(UNSIGNED, SIGNED, OTHER, clamps={}))
    assert [(x.inputs, x.output) for x in graph.layers] == [(("x",), "t2")]
    assert graph.tensors["x"].dtype == "uint8" and set(graph.tensors) == {"x", "t2"}


def test_a_recast_behind_a_layer_is_its_own_storage_and_clamp() -> None:
    graph = absorb_recasts(chain(OTHER, SIGNED, UNSIGNED, clamps={"t1": (-100, 100)}))
    (only,) = graph.layers
    # -100 .. 100 of int8 is 28 .. 228 of uint8.
    assert only.output == "t2" and only.clamp_ends == (28, 228)
    assert graph.tensors["t2"].dtype == "uint8"


def test_a_clamp_of_the_recast_narrows_the_layer_in_front() -> None:
    graph = absorb_recasts(chain(OTHER, SIGNED, UNSIGNED, clamps={"t2": (50, 255)}))
    (only,) = graph.layers
    assert only.clamp_ends == (50, 255)


def test_another_scale_is_arithmetic_and_stays() -> None:
    graph = chain(SIGNED, OTHER, SIGNED, clamps={})
    assert len(absorb_recasts(graph).layers) == 2


def test_inner_activations_become_int8_with_their_clamps() -> None:
    quarter = ("uint8", QuantParams(0.25, 130))
    graph = absorb_recasts(chain(SIGNED, quarter, SIGNED, clamps={"t1": (130, 200)}))
    assert graph.tensors["t1"].dtype == "int8"
    assert graph.tensors["t1"].quant == QuantParams(0.25, 2)
    assert graph.layers[0].clamp_ends == (2, 72)
