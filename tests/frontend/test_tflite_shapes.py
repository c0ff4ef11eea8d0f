"""Shapes that a converter leaves open are computed from the operators, SHAPE arithmetic and all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.networks.against import litert, random_samples, reference
from tests.networks.tflite_net import TfliteNet

RECIPES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "recipes"


def _ints(net: TfliteNet, values: Any) -> int:
    return net.constant(np.asarray(values, np.int32))


def dense_on_pixels(dtype: str) -> bytes:
    """Keras's Dense on `[batch, pixels, channels]`: rows of a matrix, and back, by Tensordot."""
    net = TfliteNet()
    quant: dict[str, Any] = {} if dtype == "float32" else {"scale": 0.1, "zero_point": 3}

    def shaped(shape: Any, signature: Any, **fields: Any) -> int:
        return net.tensor(shape, dtype, signature=signature, **{**quant, **fields})

    def known(name: str, operands: list[int], shape: Any, kind: str = "", **fields: Any) -> int:
        return net.add(name, operands, [net.tensor(shape, "int32")], kind, **fields)

    x = shaped((1, 3, 2, 5), (-1, 3, 2, 5))
    pixels = shaped((1, 6, 5), (-1, 6, 5))
    extents = known("SHAPE", [x], (4,), "ShapeOptions", out_type=2)
    bounds = [_ints(net, v) for v in ([0], [1], [1])]
    batch = known(
        "STRIDED_SLICE", [extents, *bounds], (), "StridedSliceOptions", shrink_axis_mask=1
    )
    packed = [batch, _ints(net, 6), _ints(net, 5)]
    wanted = known("PACK", packed, (3,), "PackOptions", values_count=3)
    net.add("RESHAPE", [x, wanted], [pixels], "ReshapeOptions")
    all_ = known("SHAPE", [pixels], (3,), "ShapeOptions", out_type=2)
    free = known("GATHER", [all_, _ints(net, [0, 1])], (2,), "GatherOptions")
    count = known("REDUCE_PROD", [free, _ints(net, [0])], (), "ReducerOptions")
    matrix = known("PACK", [count, _ints(net, 5)], (2,), "PackOptions", values_count=2)
    # What the file says of these is wrong: it takes the batch for 1, and 1 times 6 for 1.
    rows = shaped((1, 1), (-1, -1))
    net.add("RESHAPE", [pixels, matrix], [rows], "ReshapeOptions")
    values = np.random.default_rng(0).integers(-100, 100, (4, 5))
    if dtype == "float32":
        weight = net.constant(values.astype(np.float32))
    else:
        weight = net.constant(values.astype(np.int8), scale=0.01)
    made = shaped((1, 4), (-1, 4), **({} if dtype == "float32" else {"scale": 0.2}))
    net.add("FULLY_CONNECTED", [rows, weight, -1], [made], "FullyConnectedOptions")
    joined = [free, _ints(net, [4])]
    back = known("CONCATENATION", joined, (3,), "ConcatenationOptions", axis=0)
    y = shaped((1, 6, 4), (-1, 6, 4), **({} if dtype == "float32" else {"scale": 0.2}))
    net.add("RESHAPE", [made, back], [y], "ReshapeOptions")
    return net.build([x], [y])


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_a_dense_layer_on_pixels_equals_litert(dtype: str, tmp_path: Path) -> None:
    blob = dense_on_pixels(dtype)
    samples = random_samples((1, 3, 2, 5), dtype, 3, 0)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_allclose(ours, litert(blob, samples)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "channels"), [("keras_edge_impulse_int8", 1), ("keras_flatten_int8", 3)]
)
def test_files_of_keras_equal_litert(name: str, channels: int, tmp_path: Path) -> None:
    path = RECIPES / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    samples = random_samples((1, 96, 96, channels), "int8", 2, 0)
    blob = path.read_bytes()
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_array_equal(ours, litert(blob, samples)[0])


# Operator -> operands behind the rows (in front for SPLIT), options, shapes as the file has them.
BEHIND: dict[str, tuple[list[Any], tuple[str, dict[str, Any]], list[Any]]] = {
    "CONCATENATION": ([], ("ConcatenationOptions", {"axis": 2}), [(1, 1, 8)]),
    "LOGISTIC": ([], ("", {}), [(1, 1, 4)]),
    "MEAN": ([[1]], ("ReducerOptions", {"keep_dims": True}), [(1, 1, 4)]),
    "PACK": ([], ("PackOptions", {"axis": 1, "values_count": 2}), [(1, 2, 1, 4)]),
    "REDUCE_MAX": ([[2]], ("ReducerOptions", {"keep_dims": False}), [(1, 1)]),
    "SLICE": ([[0, 2, 1], [1, -1, 2]], ("SliceOptions", {}), [(1, 1, 2)]),
    "SPLIT": ([2], ("SplitOptions", {"num_splits": 2}), [(1, 1, 2)] * 2),
    "SPLIT_V": ([[1, -1], 2], ("SplitVOptions", {"num_splits": 2}), [(1, 1, 1), (1, 1, 3)]),
    "STRIDED_SLICE": (
        [[0, 0, 0], [0, 0, 3], [1, 2, 1]],
        ("StridedSliceOptions", {"begin_mask": 3, "end_mask": 3}),
        [(1, 1, 3)],
    ),
    "TRANSPOSE": ([[0, 2, 1]], ("TransposeOptions", {}), [(1, 4, 1)]),
    "UNPACK": ([], ("UnpackOptions", {"axis": 2, "num": 4}), [(1, 1)] * 4),
}


def rows_of_a_detector(name: str, dtype: str) -> bytes:
    """Maps as rows of boxes, all rows behind one another, then operator `name`.

    How many rows there are, the file leaves open, and says 1.
    """
    net = TfliteNet()
    quant: dict[str, Any] = {} if dtype == "float32" else {"scale": 1 / 256, "zero_point": -128}
    x = net.tensor((1, 3, 2, 8), dtype, signature=(-1, 3, 2, 8), **quant)
    parts = []
    for _ in range(2):
        rows = net.tensor((1, 1, 4), dtype, signature=(-1, -1, 4), **quant)
        net.add("RESHAPE", [x, _ints(net, [1, -1, 4])], [rows], "ReshapeOptions")
        parts.append(rows)
    every = net.tensor((1, 1, 4), dtype, signature=(-1, -1, 4), **quant)
    net.add("CONCATENATION", parts, [every], "ConcatenationOptions", axis=1)
    more, (kind, options), shapes = BEHIND[name]
    operands = [every, *(_ints(net, values) for values in more)]
    if name == "SPLIT":
        operands.reverse()
    if name in ("CONCATENATION", "PACK"):
        operands = [every, every]
    made = []
    for shape in shapes:
        signature = tuple(-1 if extent == 1 else extent for extent in shape)
        made.append(net.tensor(shape, dtype, signature=signature, **quant))
    net.add(name, operands, made, kind, **options)
    return net.build([x], made)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("name", BEHIND)
def test_rows_of_a_detector_equal_litert(name: str, dtype: str, tmp_path: Path) -> None:
    blob = rows_of_a_detector(name, dtype)
    samples = random_samples((1, 3, 2, 8), dtype, 2, 0)
    graph, ours = reference(blob, ".tflite", samples, tmp_path)
    theirs = litert(blob, samples)
    assert [spec.shape for spec in graph.output_specs] == [x.shape[1:] for x in theirs]
    np.testing.assert_allclose(ours, theirs[0], rtol=1e-5, atol=1e-5)
