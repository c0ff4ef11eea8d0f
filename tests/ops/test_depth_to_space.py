"""Pixels into channels and back, in both formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import verified
from tests.networks.onnx_net import one_operator
from tests.networks.tflite_net import TfliteNet


def tflite_block(operator: str, block: int, dtype: str) -> tuple[bytes, tuple[int, ...]]:
    """A TFLite file of one operator, and its input's shape."""
    many, few = (1, 6, 4, 3), (1, 6 // block, 4 // block, 3 * block * block)
    shape, made = (many, few) if operator == "SPACE_TO_DEPTH" else (few, many)
    quant: dict[str, Any] = {}
    if dtype != "float32":
        quant = {"dtype": dtype, "scale": 0.1, "zero_point": 3}
    net = TfliteNet()
    x, y = net.tensor(shape, **quant), net.tensor(made, **quant)
    options = {"DEPTH_TO_SPACE": "DepthToSpaceOptions", "SPACE_TO_DEPTH": "SpaceToDepthOptions"}
    net.add(operator, [x], [y], options[operator], block_size=block)
    return net.build([x], [y]), shape


@pytest.mark.parametrize("operator", ["DEPTH_TO_SPACE", "SPACE_TO_DEPTH"])
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
@pytest.mark.parametrize("block", [1, 2])
def test_tflite_equals_litert(block: int, dtype: str, operator: str, tmp_path: Path) -> None:
    blob, shape = tflite_block(operator, block, dtype)
    samples = random_samples(shape, dtype, 2, 0)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    assert (ours == litert(blob, samples)[0]).all()


@pytest.mark.parametrize("target", ["host", "mps2-an500"])
@pytest.mark.parametrize("operator", ["DEPTH_TO_SPACE", "SPACE_TO_DEPTH"])
def test_compiled_integers_equal_the_reference(operator: str, target: str, tmp_path: Path) -> None:
    blob, _ = tflite_block(operator, 2, "int8")
    assert verified(blob, ".tflite", target, tmp_path).exact


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_onnx_depth_to_space_equals_onnxruntime(mode: str, tmp_path: Path) -> None:
    blob = one_operator("DepthToSpace", (1, 12, 3, 5), blocksize=2, mode=mode)
    samples = random_samples((1, 12, 3, 5), "float32", 2, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    assert (ours == onnxruntime_outputs(blob, samples)[0]).all()


def test_onnx_space_to_depth_equals_onnxruntime(tmp_path: Path) -> None:
    blob = one_operator("SpaceToDepth", (1, 3, 6, 4), blocksize=2)
    samples = random_samples((1, 3, 6, 4), "float32", 2, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    assert (ours == onnxruntime_outputs(blob, samples)[0]).all()
