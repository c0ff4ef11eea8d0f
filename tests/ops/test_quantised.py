"""Integer layers of the quantiser round as a simulation in floats does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemnv2.arithmetic.fixed_point import multiply_by_quantized_multiplier
from edgemnv2.arithmetic.onnx import softmax_constants
from edgemnv2.arithmetic.tflite import mean_requantize
from edgemnv2.model import QuantParams
from edgemnv2.ops.add import quantised as sums
from edgemnv2.ops.add import reference as add_reference
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Tensor
from edgemnv2.ops.pool import quantised as means
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.softmax import quantised as softmaxes
from edgemnv2.ops.softmax.layer import Softmax

UNBOUNDED = (-np.inf, np.inf)


def tensor(name: str, quant: QuantParams, size: int = 7) -> Tensor:
    return Tensor(name, size, size, 1, "int8", quant)


def no_error(quant: QuantParams) -> float:
    return 0.0


@pytest.mark.parametrize("seed", range(6))
def test_all_pairs_of_bytes_sum_as_float32_sums(seed):
    rng = np.random.default_rng(seed)
    a, b, y = (
        QuantParams(float(np.float32(rng.uniform(0.01, 0.1))), int(rng.integers(-60, 60)))
        for _ in range(3)
    )
    layer = Add("add", ("a", "b"), "y", clamp=UNBOUNDED)
    sources, wanted = (tensor("a", a), tensor("b", b)), tensor("y", y)
    quant = sums.target(layer, sources, wanted, no_error)
    assert y.scale <= quant.scale <= 1.02 * y.scale
    bytes_a, bytes_b = np.meshgrid(*[np.arange(-128, 128, dtype=np.int8)] * 2)
    bytes_a, bytes_b = bytes_a.reshape(1, 256, 256, 1), bytes_b.reshape(1, 256, 256, 1)
    out = replace(wanted, quant=quant)
    ours = add_reference.add(sums.integer(layer, sources, out), bytes_a, bytes_b, sources, out)
    real = [
        (x.astype(np.float32) - np.float32(q.zero_point)) * np.float32(q.scale)
        for x, q in ((bytes_a, a), (bytes_b, b))
    ]
    theirs = np.rint((real[0] + real[1]) / np.float32(quant.scale)) + quant.zero_point
    np.testing.assert_array_equal(ours, np.clip(theirs, -128, 127))


@pytest.mark.parametrize(
    ("size", "ratio"), [(3, 0.9), (4, 0.3), (4, 0.9), (5, 0.55), (7, 0.3), (7, 0.55), (7, 0.9)]
)
def test_the_mean_of_every_map_rounds_as_the_float_mean(size, ratio):
    x = QuantParams(float(np.float32(6 / 255)), -128)
    wanted = QuantParams(x.scale * ratio, -128)
    layer = GlobalAveragePool("pool", ("x",), "y", clamp=UNBOUNDED)
    found = list(means.targets(layer, tensor("x", x, size), wanted))
    assert found
    count = size * size
    sums_of_maps = np.arange(255 * count + 1, dtype=np.int64)
    for quant in found:
        assert wanted.scale / 1.6 < quant.scale < 1.6 * wanted.scale
        factor = mean_requantize(x, quant, count)
        ours = multiply_by_quantized_multiplier(sums_of_maps, factor.multiplier, factor.shift)
        exact = sums_of_maps * (x.scale / (count * quant.scale))
        inside = exact < 255
        np.testing.assert_array_equal(ours[inside], np.rint(exact[inside]))
        # A tie is far enough above one half for float32 to see it, relative to its size.
        seen = inside & (sums_of_maps > 0)
        assert (np.abs(exact % 1 - 0.5)[seen] / exact[seen]).min() > 5e-7


def test_of_the_means_that_round_alike_the_one_that_loses_least_is_taken():
    x = tensor("x", QuantParams(float(np.float32(6 / 255)), -128))
    wanted = tensor("y", QuantParams(x.quant.scale * 0.9, -128), 1)
    layer = GlobalAveragePool("pool", ("x",), "y", clamp=UNBOUNDED)
    found = list(means.targets(layer, x, wanted.quant))
    assert len(found) > 1
    for best in found:
        chosen = means.target(layer, [x], wanted, lambda q, best=best: abs(q.scale - best.scale))
        assert chosen == best
    # Where a map has one pixel and the output far larger steps there is none.
    alone, coarse = tensor("x", x.quant, 1), tensor("y", QuantParams(0.01 * x.quant.scale, -128), 1)
    assert means.target(layer, [alone], coarse, no_error) == coarse.quant


def test_the_table_of_a_softmax_has_its_factor_in_it():
    x, y = tensor("x", QuantParams(0.05, 3)), tensor("y", QuantParams(1.0, 0))
    layer = Softmax("softmax", ("x",), "y", beta=2.5)
    assert softmaxes.target(layer, [x], y, no_error) == QuantParams(1 / 256, -128)
    made = softmaxes.integer(layer, [x], y)
    table, inverse = softmax_constants(x.quant, y.quant, 1, 2.5)
    np.testing.assert_array_equal(made.exp_table, table)
    assert made.inverse == inverse and made.beta == 1.0
