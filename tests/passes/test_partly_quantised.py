"""Operators of floats between DEQUANTIZE and QUANTIZE are not operators of integers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.networks.against import litert, reference
from tests.networks.quantised import limits_of, random_scale, random_zero_point
from tests.networks.tflite_net import TfliteNet

SHAPE = (1, 16, 16, 1)


def sandwich(dtype: str, operators: tuple[str, ...], seed: int) -> tuple[bytes, Any]:
    """DEQUANTIZE, operators of floats, QUANTIZE; and every value of the type."""
    random, net = np.random.default_rng(seed), TfliteNet()
    ends = [(random_scale(random, -3, -1), random_zero_point(random, dtype)) for _ in range(2)]
    x = net.tensor(SHAPE, dtype, *ends[0])
    real = net.tensor(SHAPE)
    net.add("DEQUANTIZE", [x], [real])
    for operator in operators:
        made = net.tensor(SHAPE)
        if operator == "MUL":
            factor = net.constant(np.array(random.normal(), np.float32))
            net.add("MUL", [real, factor], [made], "MulOptions")
        else:
            net.add(operator, [real], [made])
        real = made
    y = net.tensor(SHAPE, dtype, *ends[1])
    net.add("QUANTIZE", [real], [y])
    low, high = limits_of(dtype)
    return net.build([x], [y]), np.arange(low, high + 1).astype(dtype).reshape(SHAPE)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(
    "operators", [(), ("SQUARE",), ("ABS",), ("HARD_SWISH",), ("MUL",), ("MUL", "SQUARE")], ids=str
)
def test_they_equal_litert(operators: tuple[str, ...], dtype: str, tmp_path: Path) -> None:
    for seed in range(12):
        blob, every = sandwich(dtype, operators, seed)
        graph, ours = reference(blob, ".tflite", [every], tmp_path)
        assert (ours == litert(blob, [every])[0]).all(), f"seed {seed}"
        if "MUL" not in operators:
            # A table.
            assert all(tensor.dtype == dtype for tensor in graph.tensors.values())
