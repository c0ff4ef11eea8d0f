"""Shapes that a converter leaves open are computed from the operators, SHAPE arithmetic and all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.networks.against import litert, random_samples, reference
from tests.networks.tflite_net import TfliteNet

RECIPES = Path("/work/shared/cases/recipes")


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
