"""Weights of TFLite files with a scale for each channel, along whichever axis the file says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.networks.against import litert, random_samples, reference
from tests.networks.tflite_net import TfliteNet

SHAPE = (2, 3, 3, 2)
"""Each extent is another axis's too: only the file says which one has the scales."""

FLAT = (1, 36)


def _file(axis: int | None, dtype: str, rounded: bool) -> bytes:
    """`x` + a constant of integers, or one of floats that QUANTIZE rounds; then dequantised."""
    random, net = np.random.default_rng(1), TfliteNet()
    x, y = net.tensor(FLAT, name="x"), net.tensor(FLAT, name="y")
    shape = () if axis is None else SHAPE[axis]
    zero = 0 if axis is not None else 7
    scale = random.uniform(0.01, 0.02, shape).astype(np.float32)
    frame = {"scale": scale, "zero_point": zero, "axis": axis or 0}
    if rounded:
        spread = np.expand_dims(scale, [i for i in range(4) if i != axis]) if shape else scale
        # Halves, which are rounded away from zero; and what lies beyond the ends.
        values = (random.integers(-300, 300, SHAPE) / 2 * spread).astype(np.float32)
        stored = net.tensor(SHAPE, dtype, name="stored", **frame)
        net.add("QUANTIZE", [net.constant(values)], [stored])
    else:
        limits = np.iinfo(dtype)
        values = random.integers(limits.min, limits.max + 1, SHAPE).astype(dtype)
        stored = net.constant(values, **frame)
    real = net.tensor(SHAPE, name="real")
    net.add("DEQUANTIZE", [stored], [real])
    row = net.tensor(FLAT, name="row")
    net.add("RESHAPE", [real, net.constant(np.array(FLAT, np.int32))], [row], "ReshapeOptions")
    net.add("ADD", [x, row], [y], "AddOptions")
    return net.build([x], [y])


@pytest.mark.parametrize("rounded", [False, True], ids=["stored", "rounded"])
@pytest.mark.parametrize(
    ("axis", "dtype"), [(None, "int8"), (None, "uint8"), *((axis, "int8") for axis in range(4))]
)
def test_they_are_litert_s(
    axis: int | None,
    dtype: str,
    rounded: bool,
    tmp_path: Path,
    require_module: Callable[[str], None],
) -> None:
    require_module("ai_edge_litert")
    blob = _file(axis, dtype, rounded)
    samples = random_samples(FLAT, "float32", 2, 0)
    (theirs,) = litert(blob, samples)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_array_equal(ours, theirs.reshape(ours.shape))
