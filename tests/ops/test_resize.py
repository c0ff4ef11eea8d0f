"""Resizing: LiteRT's integers to the bit, floats and ONNX to a rounding, every mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.ops.resize.layer import Resize
from edgemnv2.ops.resize.rows import line_of
from edgemnv2.ops.resize.tables import NEAREST_MODES, TRANSFORMATIONS
from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.onnx_net import one_operator
from tests.networks.quantised import random_zero_point
from tests.networks.tflite_net import TfliteNet

SIZES = ((7, 14), (14, 7), (5, 12), (12, 5), (3, 40), (1, 6), (9, 1), (6, 6), (40, 13), (13, 33))


def random_resize(seed: int, operator: str, dtype: str) -> tuple[bytes, tuple[int, ...]]:
    """A TFLite file of one resize, and its input's shape."""
    random = np.random.default_rng(seed)
    (height, rows), (width, columns) = (SIZES[i] for i in random.integers(0, len(SIZES), 2))
    channels = int(random.choice([1, 2, 3, 5, 7, 45]))
    align, half = ((False, False), (True, False), (False, True))[seed % 3]
    quant: dict[str, Any] = {}
    if dtype != "float32":
        quant = {"dtype": dtype, "scale": 0.1, "zero_point": random_zero_point(random, dtype)}
    net = TfliteNet()
    x = net.tensor([1, height, width, channels], **quant)
    y = net.tensor([1, rows, columns, channels], **quant)
    size = net.constant(np.array([rows, columns], np.int32))
    options = {
        "RESIZE_BILINEAR": "ResizeBilinearOptions",
        "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    }[operator]
    net.add(operator, [x, size], [y], options, align_corners=align, half_pixel_centers=half)
    return net.build([x], [y]), (1, height, width, channels)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("operator", ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_integers_equal_litert(dtype: str, operator: str, seed: int, tmp_path: Path) -> None:
    blob, shape = random_resize(seed, operator, dtype)
    samples = random_samples(shape, dtype, 2, seed)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    assert (ours == litert(blob, samples)[0]).all()


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("operator", ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"])
def test_floats_are_close_to_litert(operator: str, seed: int, tmp_path: Path) -> None:
    blob, shape = random_resize(seed, operator, "float32")
    samples = random_samples(shape, "float32", 2, seed)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_allclose(ours, litert(blob, samples)[0], atol=1e-5)


def onnx_resize(sizes: Any, scales: Any, opset: int, **attributes: Any) -> bytes:
    """ONNX Resize of `[1, 3, 7, 6]` by sizes or by scales."""
    if sizes is not None:
        constants = {"sizes": np.array([1, 3, *sizes], np.int64)}
        inputs: tuple[str, ...] = ("x", "", "", "sizes")
    else:
        constants = {"scales": np.array([1, 1, *scales], np.float32)}
        inputs = ("x", "", "scales")
    if opset == 11:
        # There an empty tensor stands for what is left out.
        constants = {"roi": np.zeros(0, np.float32), **constants}
        constants.setdefault("scales", np.zeros(0, np.float32))
        inputs = ("x", "roi", "scales", "sizes")[: 4 if "sizes" in constants else 3]
    return one_operator("Resize", (1, 3, 7, 6), constants, inputs=inputs, opset=opset, **attributes)


GIVEN = [((14, 12), None), ((5, 13), None), (None, (2.0, 3.0)), (None, (0.6, 1.7)), ((1, 1), None)]


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
@pytest.mark.parametrize("mode", ["linear", *(m for m in NEAREST_MODES if m != "simple")])
def test_onnx_modes_equal_onnxruntime(
    mode: str, transformation: str, given: Any, tmp_path: Path
) -> None:
    opset = 11 if transformation == "tf_half_pixel_for_nn" else 19
    attributes = {"mode": "linear"} if mode == "linear" else {"nearest_mode": mode}
    if opset == 11 and mode == "linear":
        pytest.skip("a transformation for nearest neighbours")
    blob = onnx_resize(*given, opset, coordinate_transformation_mode=transformation, **attributes)
    samples = random_samples((1, 3, 7, 6), "float32", 2, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_allclose(ours, onnxruntime_outputs(blob, samples)[0], atol=1e-5)


def stored_resize(dtype: str, sizes: Any, transformation: str, seed: int) -> bytes:
    """ONNX Resize of the integers between QuantizeLinear and DequantizeLinear."""
    random = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    constants = {
        "sizes": np.array([1, 3, *sizes], np.int64),
        "scale": np.float32(random.uniform(0.01, 0.1)),
        "zero": np.array(random.integers(limits.min, limits.max + 1), dtype),
    }
    mode = {"mode": "linear", "coordinate_transformation_mode": transformation}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("Resize", ["q", "", "", "sizes"], ["r"], **mode),
        helper.make_node("DequantizeLinear", ["r", "scale", "zero"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 7, 6]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, *sizes]),
    ]
    arrays = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "stored", ends[:1], ends[1:], arrays)
    imports = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("transformation", ["half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize("sizes", [(14, 12), (5, 13), (9, 3), (1, 1), (23, 6)])
def test_onnx_integers_lose_what_is_behind_the_point(
    sizes: Any, transformation: str, dtype: str, tmp_path: Path
) -> None:
    for seed in range(6):
        blob = stored_resize(dtype, sizes, transformation, seed)
        samples = random_samples((1, 3, 7, 6), "float32", 3, seed)
        # Constant areas, whose sums of weights are one but for the last bit.
        samples = [*samples, np.full((1, 3, 7, 6), 1.7, np.float32)]
        _, ours = reference(blob, ".onnx", samples, tmp_path)
        np.testing.assert_array_equal(ours, onnxruntime_outputs(blob, samples)[0])


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_stored_integers_compile(dtype: str, target: str, tmp_path: Path) -> None:
    blob = stored_resize(dtype, (11, 13), "align_corners", 1)
    assert verified(blob, ".onnx", target, tmp_path).exact


@pytest.mark.parametrize("scales", [(2.0, 2.0), (3.0, 1.0), (0.5, 0.7), (1.3, 2.7)])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("operator", ["Resize", "Upsample"])
def test_onnx_before_opset_11_equals_onnxruntime(
    operator: str, mode: str, scales: tuple[float, float], tmp_path: Path
) -> None:
    if operator == "Upsample" and min(scales) < 1:
        pytest.skip("Upsample does not make maps smaller")
    constants = {"scales": np.array([1, 1, *scales], np.float32)}
    opset = 10 if operator == "Resize" else 9
    blob = one_operator(operator, (1, 3, 7, 6), constants, opset=opset, mode=mode)
    samples = random_samples((1, 3, 7, 6), "float32", 2, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_allclose(ours, onnxruntime_outputs(blob, samples)[0], atol=1e-5)


def test_windows_cover_what_rows_are_made_of_and_are_narrow() -> None:
    """For all heights and modes: every named row is in the window, and two suffice for linear."""
    from edgemnv2.ops.resize.tables import tflite_fixed_linear, tflite_linear, tflite_nearest

    for size in (1, 2, 5, 7, 16, 33):
        for out in (1, 2, 3, 7, 14, 32, 45):
            for align, half in ((False, False), (True, False), (False, True)):
                tables = [
                    tflite_nearest(size, out, align=align, half=half),
                    tflite_linear(size, out, align=align, half=half)[0],
                    tflite_fixed_linear(size, out, align=align, half=half)[0],
                ]
                for table in tables:
                    layer = Resize("r", ("x",), "y", rows=table, columns=table)
                    line = line_of(layer, size)
                    first = line.first(out)[:, np.newaxis]
                    assert (table >= first).all() and (table < first + line.window).all()
                    assert line.window <= 4, (size, out, align, half)


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize("seed", range(8))
def test_compiled_integers_equal_the_reference(seed: int, target: str, tmp_path: Path) -> None:
    operator = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")[seed % 2]
    blob, _ = random_resize(seed, operator, ("int8", "uint8")[seed // 4])
    assert verified(blob, ".tflite", target, tmp_path).exact


@pytest.mark.parametrize("seed", range(6))
def test_compiled_floats_are_close_to_the_reference(seed: int, tmp_path: Path) -> None:
    operator = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")[seed % 2]
    blob, _ = random_resize(seed, operator, "float32")
    assert verified(blob, ".tflite", "host", tmp_path).passed
