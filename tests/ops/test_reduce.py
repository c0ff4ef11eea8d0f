"""Reductions over any axes: LiteRT's integers to the bit, floats and ONNX to a rounding."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_graph
from edgemnv2.runners import make_runner
from edgemnv2.target import load_target
from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, TARGETS, verified
from tests.networks.onnx_net import one_operator
from tests.networks.quantised import random_scale, random_zero_point
from tests.networks.tflite_net import TfliteNet

SUBSETS = [subset for size in (1, 2, 3) for subset in combinations((1, 2, 3), size)]
OPERATORS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")


def random_reduction(
    seed: int, operator: str, axes: tuple[int, ...], dtype: str, shift: int = 0
) -> tuple[bytes, tuple[int, ...]]:
    """A TFLite file of one reduction, and its input's shape.

    With `shift` the same one as uint8, stored values that much higher.
    """
    random = np.random.default_rng([seed, *axes])
    shape = (1, int(random.integers(1, 14)), int(random.integers(1, 14)))
    shape = (*shape, int(random.choice([1, 2, 3, 5, 7, 45])))
    keep = bool(random.integers(2))
    made = [1 if a in axes else e for a, e in enumerate(shape) if keep or a not in axes]
    quant: dict[str, Any] = {}
    out: dict[str, Any] = {}
    if dtype != "float32":
        scale = random_scale(random)
        quant = {
            "dtype": dtype,
            "scale": scale,
            "zero_point": random_zero_point(random, dtype),
        }
        out = quant
        if not operator.startswith("REDUCE"):
            factor = 10.0 ** random.uniform(-0.7, 0.7)
            if operator == "SUM":
                factor *= np.prod([shape[axis] for axis in axes]) ** 0.5
            zero = random_zero_point(random, dtype)
            out = {"dtype": dtype, "scale": np.float32(scale * factor), "zero_point": zero}
            if seed % 7 == 6 and operator == "MEAN":
                out = quant
    if shift:
        quant, out = (
            {**q, "dtype": "uint8", "zero_point": q["zero_point"] + shift} for q in (quant, out)
        )
    net = TfliteNet()
    x = net.tensor(shape, **quant)
    y = net.tensor(made, **out)
    given = [axis - 4 if random.integers(2) else axis for axis in axes]
    random.shuffle(given)
    numbers = net.constant(np.array(given, np.int32))
    net.add(operator, [x, numbers], [y], "ReducerOptions", keep_dims=keep)
    return net.build([x], [y]), shape


@pytest.mark.parametrize("axes", SUBSETS)
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_integers_equal_litert(
    dtype: str, operator: str, axes: tuple[int, ...], tmp_path: Path
) -> None:
    for seed in range(8):
        blob, shape = random_reduction(seed, operator, axes, dtype)
        samples = random_samples(shape, dtype, 2, seed)
        _, ours = reference(blob, ".tflite", samples, tmp_path)
        if (dtype, operator) == ("int8", "SUM"):
            # LiteRT 2.3's SUM reads int8 as uint8; its uint8 one is right, and the same network.
            blob, _ = random_reduction(seed, operator, axes, dtype, 128)
            higher = [(sample.astype(np.int16) + 128).astype(np.uint8) for sample in samples]
            theirs = (litert(blob, higher)[0].astype(np.int16) - 128).astype(np.int8)
        else:
            theirs = litert(blob, samples)[0]
        assert (ours == theirs.reshape(ours.shape)).all(), (seed, shape)


@pytest.mark.parametrize("axes", SUBSETS)
@pytest.mark.parametrize("operator", OPERATORS)
def test_floats_are_close_to_litert(operator: str, axes: tuple[int, ...], tmp_path: Path) -> None:
    for seed in range(3):
        blob, shape = random_reduction(seed, operator, axes, "float32")
        samples = random_samples(shape, "float32", 2, seed)
        _, ours = reference(blob, ".tflite", samples, tmp_path)
        theirs = litert(blob, samples)[0].reshape(ours.shape)
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * max(1, np.abs(theirs).max()))


@pytest.mark.parametrize("axes", [(1,), (3,), (1, 2), (1, 2, 3)])
def test_products_are_close_to_litert(axes: tuple[int, ...], tmp_path: Path) -> None:
    shape = (1, 5, 7, 6)
    for dtype in ("float32", "int8"):
        quant = {} if dtype == "float32" else {"dtype": dtype, "scale": 0.1, "zero_point": 3}
        net = TfliteNet()
        x = net.tensor(shape, **quant)
        y = net.tensor([e for a, e in enumerate(shape) if a not in axes], **quant)
        numbers = net.constant(np.array(axes, np.int32))
        net.add("REDUCE_PROD", [x, numbers], [y], "ReducerOptions", keep_dims=False)
        blob = net.build([x], [y])
        if quant:
            (tmp_path / "net.tflite").write_bytes(blob)
            with pytest.raises(UnsupportedOperator, match="REDUCE_PROD with quantised values"):
                load_model(tmp_path / "net.tflite")
            continue
        samples = random_samples(shape, dtype, 2, 0)
        _, ours = reference(blob, ".tflite", samples, tmp_path)
        theirs = litert(blob, samples)[0].reshape(ours.shape)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)


@pytest.mark.parametrize("axes", SUBSETS)
@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"])
@pytest.mark.parametrize("keep", [0, 1])
def test_onnx_floats_are_close_to_onnxruntime(
    keep: int, operator: str, axes: tuple[int, ...], tmp_path: Path
) -> None:
    shape = (1, 5, 7, 6)
    if operator == "ReduceSum":
        given = {"axes": np.array(axes, np.int64)}
        blob = one_operator(operator, shape, given, keepdims=keep)
    else:
        blob = one_operator(operator, shape, axes=list(axes), keepdims=keep)
    samples = random_samples(shape, "float32", 3, 1)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    theirs = onnxruntime_outputs(blob, samples)[0]
    assert ours.size == theirs.size
    np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, atol=1e-4)


def test_global_maximum(tmp_path: Path) -> None:
    blob = one_operator("GlobalMaxPool", (1, 5, 7, 6))
    samples = random_samples((1, 5, 7, 6), "float32", 3, 1)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    assert (ours == onnxruntime_outputs(blob, samples)[0]).all()


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize("axes", [(1,), (2,), (3,), (1, 3), (2, 3), (1, 2)])
def test_compiled_integers_equal_the_reference(
    axes: tuple[int, ...], target: str, tmp_path: Path
) -> None:
    operator = OPERATORS[(SUBSETS.index(axes) + TARGETS.index(target)) % 4]
    blob, _ = random_reduction(1, operator, axes, "int8")
    assert verified(blob, ".tflite", target, tmp_path).exact


@pytest.mark.parametrize("axes", [(1,), (2,), (3,), (1, 3)])
@pytest.mark.parametrize("operator", OPERATORS)
def test_compiled_floats_are_close_to_the_reference(
    operator: str, axes: tuple[int, ...], tmp_path: Path
) -> None:
    blob, _ = random_reduction(3, operator, axes, "float32")
    assert verified(blob, ".tflite", "host", tmp_path).passed


@pytest.mark.parametrize("axes", [(2, 3), (3,)])
@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceSum"])
def test_sums_of_many_floats_keep_their_last_terms(
    operator: str, axes: tuple[int, ...], tmp_path: Path
) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(one_operator(operator, (1, 2, 7, 40_000), axes=list(axes)))
    artifact = compile_graph(lower(load_model(path)), load_target("host"), tmp_path / "net")
    x = np.random.default_rng(0).uniform(0.9, 1.1, (1, 2, 7, 40_000)).astype(np.float32)
    (found,) = make_runner("local").run(artifact, [x]).outputs
    wide = x.astype(np.float64)
    exact = (wide.mean if operator == "ReduceMean" else wide.sum)(axis=axes, keepdims=True)
    np.testing.assert_allclose(found.reshape(exact.shape), exact, rtol=3e-7)
