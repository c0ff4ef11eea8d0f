"""Linear resizes between quantised maps of ONNX: integer layers where their weights are 1024ths.

Expected values are exact sums in integers, of positions that are worked out here. onnxruntime
computes in floats, whose last bits decide about halves: only there may it differ, by one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.resize.layer import Resize
from edgemnv2.passes import lower
from tests.networks.against import onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.qdq_net import QdqNet

SCALE = 0.0371
SHAPE = (1, 5, 6, 7)
CASES = [
    (dtype, factor, mode, zero)
    for dtype, zeros in (("int8", (120, 3, 18)), ("uint8", (0, 127, 130)))
    for factor, mode, zero in zip(
        (2, 4, 8), ("half_pixel", "asymmetric", "pytorch_half_pixel"), zeros, strict=True
    )
]


def resized(
    dtype: str, factors: tuple[float, float], mode: str, zero: int, out_scale: float = SCALE
) -> bytes:
    """One Resize between DequantizeLinear and QuantizeLinear."""
    net = QdqNet(SHAPE, SCALE, zero, dtype)
    scales = net.constant("scales", np.array([1, 1, *factors], np.float32))
    made = net.node(
        "Resize", [net.real, "", scales], mode="linear", coordinate_transformation_mode=mode
    )
    net.quantize(made, out_scale, zero, dtype)
    size = [int(n * f) for n, f in zip(SHAPE[2:], factors, strict=True)]
    return net.model((*SHAPE[:2], *size), dtype)


def weights(size: int, factor: int, mode: str) -> Any:
    """int64 `[size * factor, size]`, in `2 * factor`-ths: what each position is made of."""
    place = np.arange(size * factor)
    # In 2 * factor-ths of a pixel.
    position = 2 * place if mode == "asymmetric" else 2 * place + 1 - factor
    position = np.clip(position, 0, 2 * factor * (size - 1))
    low, part = np.divmod(position, 2 * factor)
    matrix = np.zeros((size * factor, size), np.int64)
    matrix[place, low] = 2 * factor - part
    matrix[place, np.minimum(low + 1, size - 1)] += part
    return matrix


def exact(x: Any, factor: int, mode: str, zero: int, dtype: str) -> tuple[Any, Any]:
    """The resized map `[N, C, H, W]`, and where it was rounded from a half."""
    down, across = (weights(size, factor, mode) for size in SHAPE[2:])
    total = np.einsum("ih,nchw,jw->ncij", down, x.astype(np.int64) - zero, across)
    one = (2 * factor) ** 2
    whole, rest = np.divmod(total, one)
    halves = 2 * rest == one
    whole += (2 * rest > one) | (halves & (whole % 2 == 1))
    return (whole + zero).astype(dtype), halves


def lowered(blob: bytes, folder: Path) -> Graph:
    path = folder / "net.onnx"
    path.write_bytes(blob)
    return lower(load_model(path))


@pytest.mark.parametrize(("dtype", "factor", "mode", "zero"), CASES, ids=lambda x: str(x))
def test_sums_are_exact_and_halves_go_to_even(
    dtype: str, factor: int, mode: str, zero: int, tmp_path: Path
) -> None:
    blob = resized(dtype, (factor, factor), mode, zero)
    samples = random_samples(SHAPE, dtype, 4, factor)
    graph, found = reference(blob, ".onnx", samples, tmp_path)
    assert [layer.op for layer in graph.layers] == ["resize"]
    wanted, halves = exact(np.concatenate(samples), factor, mode, zero, dtype)
    np.testing.assert_array_equal(found.reshape(wanted.shape), wanted)
    assert halves.any()
    (theirs,) = onnxruntime_outputs(blob, samples)
    gap = np.abs(theirs.reshape(wanted.shape).astype(int) - wanted)
    assert gap.max() <= 1 and not gap[~halves].any()


@pytest.mark.parametrize(("dtype", "factor", "mode", "zero"), CASES, ids=lambda x: str(x))
def test_the_share_of_halves_is_about_what_is_seen(
    dtype: str, factor: int, mode: str, zero: int, tmp_path: Path
) -> None:
    graph = lowered(resized(dtype, (factor, factor), mode, zero), tmp_path)
    (layer,) = graph.layers
    x = np.concatenate(random_samples((8, *SHAPE[1:]), dtype, 4, factor)[:4])
    _, halves = exact(x, factor, mode, zero, dtype)
    assert 0.5 < layer.share_of_halves(graph.tensor_in(layer)) / halves.mean() < 2.0


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize(("dtype", "factor"), [("int8", 2), ("uint8", 4), ("int8", 8)])
def test_every_target_gives_the_same_bytes(
    dtype: str,
    factor: int,
    target: str,
    tmp_path: Path,
) -> None:
    blob = resized(dtype, (factor, factor), "half_pixel", 7)
    found = verified(blob, ".onnx", target, tmp_path)
    assert found.exact and found.passed


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(resized("int8", (2.4, 2), "half_pixel", 7), id="other weights"),
        pytest.param(resized("int8", (2, 2), "half_pixel", 7, 2 * SCALE), id="two scales"),
    ],
)
def test_what_is_no_sum_of_1024ths_stays_one_of_floats(blob: bytes, tmp_path: Path) -> None:
    graph = lowered(blob, tmp_path)
    assert [layer.op for layer in graph.layers] == ["dequantize", "resize", "quantize"]
    (layer,) = (x for x in graph.layers if isinstance(x, Resize))
    assert layer.rounding == "away" and layer.share_of_halves(graph.tensor_in(layer)) == 0.0


@pytest.mark.parametrize("target", ["host", "rpi4"])
@pytest.mark.parametrize("seed", range(3))
def test_floats_that_are_rounded_next_are_the_reference_s_to_the_last_bit(
    seed: int, target: str, tmp_path: Path
) -> None:
    """Among so many values some hang on one bit: added in another way they would differ."""
    factors = ((2.4, 3), (1.8, 5), (6.6, 2))[seed]
    net = QdqNet((1, 64, 5, 6), SCALE, 7)
    scales = net.constant("scales", np.array([1, 1, *factors], np.float32))
    made = net.node("Resize", [net.real, "", scales], mode="linear")
    net.quantize(made, SCALE * (1, 0.5, 2)[seed], 7)
    blob = net.model((1, 64, *(int(n * f) for n, f in zip((5, 6), factors, strict=True))))
    assert verified(blob, ".onnx", target, tmp_path).exact
