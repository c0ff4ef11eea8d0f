"""The linear form of TFLite's ADD: never another byte, found for nearly every layer, quick."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgemnv2.arithmetic.fixed_point import make_requantize
from edgemnv2.ops.add import reference as add_reference
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Graph, QuantParams, Tensor
from edgemnv2.schedules.linear_add import LinearAdd, linear_add


def random_add(seed: int, clamp: tuple[float, float] = (-128.0, 127.0)) -> Graph:
    """A sum of two tensors of 65,536 elements with seeded scales, as TFLite prepares one."""
    rng = np.random.default_rng(seed)
    scales = rng.uniform(0.01, 0.4, 3)
    scales[2] = max(scales[2], 0.5 * max(scales[:2]))
    zeros = [int(z) for z in rng.integers(-128, 128, 3)]
    quants = [QuantParams(float(s), z) for s, z in zip(scales, zeros, strict=True)]
    twice = 2.0 * max(scales[:2])
    factors = [scales[0] / twice, scales[1] / twice, twice / ((1 << 20) * scales[2])]
    rescale = tuple(make_requantize([f]) for f in factors)
    tensors = [Tensor(name, 256, 1, 256, "int8", q) for name, q in zip("aby", quants, strict=True)]
    layer = Add("add", ("a", "b"), "y", clamp, 20, rescale)
    return Graph("sum", {t.name: t for t in tensors}, (layer,), ("a", "b"), ("y",), (), ())


def all_pairs(graph: Graph) -> tuple[Any, Any, Any]:
    """Both operands, each byte against each, and TFLite's sums."""
    a, b = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128), indexing="ij")
    a, b = (v.astype(np.int8).reshape(1, 256, 1, 256) for v in (a, b))
    layer = graph.layers[0]
    assert isinstance(layer, Add)
    sources = (graph.tensor_in(layer, 0), graph.tensor_in(layer, 1))
    return a, b, add_reference.add(layer, a, b, sources, graph.tensor_out(layer))


def evaluate(form: LinearAdd, a: Any, b: Any, clamp: tuple[float, float]) -> Any:
    """The form in int32, which must not overflow."""
    wide = a.astype(np.int64) * form.first + b.astype(np.int64) * form.second + form.offset
    centred = wide - form.centre
    assert max(np.abs(wide).max(), np.abs(centred).max()) < 1 << 31
    wide = wide - form.below * (centred < 0)
    assert np.abs(wide).max() < 1 << 31
    return np.clip(wide >> form.shift, *clamp).astype(np.int8)


@pytest.mark.parametrize("clamp", [(-128.0, 127.0), (-20.0, 90.0)])
def test_the_form_is_tflites_sum_for_every_pair_of_bytes(clamp: tuple[float, float]) -> None:
    found = 0
    for seed in range(24):
        graph = random_add(seed, clamp)
        layer = graph.layers[0]
        assert isinstance(layer, Add)
        form = linear_add(graph, layer)
        if form is None:
            continue
        found += 1
        a, b, expected = all_pairs(graph)
        np.testing.assert_array_equal(evaluate(form, a, b, clamp), expected)
    assert found >= 20


def halving_add(seed: int) -> Graph:
    """One operand is halved, as where its scale is the larger one: sums meet halves exactly."""
    graph = random_add(seed)
    tensors = dict(graph.tensors)
    zeros = [tensor.quant.zero_point for tensor in tensors.values() if tensor.quant]
    scales = (0.18986915051937103, 0.1699049174785614, 0.18754954636096954)
    for name, scale, zero in zip("aby", scales, zeros, strict=True):
        tensors[name] = replace(tensors[name], quant=QuantParams(scale, zero))
    twice = 2.0 * scales[0]
    factors = [0.5, scales[1] / twice, twice / ((1 << 20) * scales[2])]
    layer = replace(graph.layers[0], rescale=tuple(make_requantize([f]) for f in factors))
    return replace(graph, tensors=tensors, layers=(layer,))


def test_halves_on_both_sides_of_zero_take_a_number_below_zero() -> None:
    signed = 0
    for seed in range(12):
        graph = halving_add(seed)
        layer = graph.layers[0]
        assert isinstance(layer, Add)
        form = linear_add(graph, layer, signed=True)
        if form is None:
            continue
        signed += form.below != 0
        assert (linear_add(graph, layer) is None) == (form.below != 0)
        a, b, expected = all_pairs(graph)
        np.testing.assert_array_equal(evaluate(form, a, b, layer.clamp), expected)
    assert signed >= 3


def test_a_sum_that_is_not_linear_is_refused() -> None:
    graph = random_add(3)
    layer = graph.layers[0]
    assert isinstance(layer, Add) and layer.rescale is not None
    # Operands that are rescaled to a few units only: TFLite's roundings are steps of their own.
    coarse = Add(
        "add", ("a", "b"), "y", layer.clamp, 0, (*layer.rescale[:2], make_requantize([0.9]))
    )
    assert linear_add(graph, coarse) is None
    assert linear_add(graph, coarse, signed=True) is None


def test_float_sums_have_no_form() -> None:
    tensors = {n: Tensor(n, 2, 2, 16, "float32", None) for n in "aby"}
    layer = Add("add", ("a", "b"), "y", (-np.inf, np.inf), 0, None)
    graph = Graph("sum", tensors, (layer,), ("a", "b"), ("y",), (), ())
    assert linear_add(graph, layer) is None
