"""Comparison is exact for integers, bounded for floats, and finds the layer that broke."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.check.compare import compare, first_divergence, tolerance
from edgemnv2.errors import InputError
from edgemnv2.model import TensorSpec
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Graph, Tensor


def test_equal_integers_are_exact():
    x = np.arange(-128, 128, dtype=np.int8).reshape(1, 16, 16, 1)
    result = compare(x, x.copy())
    assert result.passed
    assert result.exact
    assert (result.different, result.elements, result.max_abs_error) == (0, 256, 0.0)
    assert result.position is None


def test_one_wrong_integer_fails_and_is_located():
    x = np.zeros((2, 3, 4, 5), np.int8)
    y = x.copy()
    y[1, 2, 0, 3] = -128
    result = compare(x, y)
    assert not result.passed
    assert not result.exact
    assert (result.different, result.max_abs_error, result.position) == (1, 128.0, (1, 2, 0, 3))


def test_extreme_uint8_differences_do_not_wrap():
    result = compare(np.array([0], np.uint8), np.array([255], np.uint8))
    assert result.max_abs_error == 255.0


def test_floats_may_differ_by_their_magnitude_only():
    x = np.full((1, 1, 1, 2), 9.0, np.float32)
    assert tolerance(x) == pytest.approx(2e-4)
    assert tolerance(100 * x) == pytest.approx(0.018)
    close = compare(x, x + np.float32(1e-4))
    assert close.passed
    assert not close.exact
    assert not compare(x, x + np.float32(1e-3)).passed
    assert compare(x, x + np.float32(1e-3), allowed=0.01).passed


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_fails(bad):
    x = np.zeros((1, 1, 1, 3), np.float32)
    y = x.copy()
    y[0, 0, 0, 1] = bad
    result = compare(x, y)
    assert not result.passed
    assert result.max_abs_error == np.inf
    assert compare(y, y).exact


def test_other_shapes_and_types_are_refused():
    with pytest.raises(InputError, match="not the same tensor"):
        compare(np.zeros((1, 2), np.int8), np.zeros((1, 3), np.int8))
    with pytest.raises(InputError, match="not the same tensor"):
        compare(np.zeros((1, 2), np.int8), np.zeros((1, 2), np.uint8))


def test_the_first_layer_that_differs_is_named():
    tensors = {n: Tensor(n, 1, 1, 4, "int8") for n in "xabc"}
    layers = tuple(
        Add(f"layer_{new}", (old, old), new, clamp=(-128, 127))
        for old, new in zip("xab", "abc", strict=True)
    )
    spec = TensorSpec("x", (1, 1, 1, 4), "int8", "NHWC")
    graph = Graph("net", tensors, layers, ("x",), ("c",), (spec,), (spec,))
    expected = {n: np.zeros((1, 1, 1, 4), np.int8) for n in "xabc"}
    assert first_divergence(graph, expected, expected) is None
    actual = {n: v.copy() for n, v in expected.items() if n != "a"}  # a was fused away
    actual["b"][0, 0, 0, 2] = 5
    actual["c"][0, 0, 0, 0] = 1
    found = first_divergence(graph, expected, actual)
    assert found is not None
    assert (found.layer, found.op, found.index) == ("layer_b", "add", 1)
    assert found.comparison.position == (0, 0, 0, 2)
    assert (found.expected, found.actual) == (0.0, 5.0)
