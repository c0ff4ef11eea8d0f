"""Windows over signals of one axis: convolutions, pools, transposed ones, as onnxruntime's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.networks.against import onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import verified
from tests.networks.onnx_net import one_operator

SHAPE = (1, 4, 9)


def _random(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("Conv", {"w": _random(6, 4, 3), "b": _random(6)}, {"pads": [1, 1]}),
    ("Conv", {"w": _random(4, 1, 5)}, {"pads": [2, 1], "group": 4, "strides": [2]}),
    ("Conv", {"w": _random(2, 4, 3)}, {"dilations": [2]}),
    ("ConvTranspose", {"w": _random(4, 3, 3)}, {"strides": [2], "output_padding": [1]}),
    ("MaxPool", {}, {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}),
    ("MaxPool", {}, {"kernel_shape": [1], "strides": [4], "ceil_mode": 1}),
    ("AveragePool", {}, {"kernel_shape": [3], "pads": [1, 0], "count_include_pad": 1}),
    ("LpPool", {}, {"kernel_shape": [3], "strides": [2]}),
]


@pytest.mark.parametrize(("operator", "constants", "attributes"), CASES)
def test_windows_over_a_signal_are_onnxruntime_s(
    operator: str,
    constants: dict[str, Any],
    attributes: dict[str, Any],
    require_module: Callable[[str], None],
    tmp_path: Path,
) -> None:
    require_module("onnxruntime")
    blob = one_operator(operator, SHAPE, constants, **attributes)
    samples = random_samples(SHAPE, "float32", 2, 1)
    (theirs,) = onnxruntime_outputs(blob, samples)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert verified(blob, ".onnx", "host", tmp_path).passed


@pytest.mark.parametrize("power", [1, 2])
def test_an_lp_pool_is_onnxruntime_s(
    power: int, require_module: Callable[[str], None], tmp_path: Path
) -> None:
    require_module("onnxruntime")
    attributes = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 1, 0, 0], "p": power}
    blob = one_operator("LpPool", (1, 3, 9, 8), **attributes)
    samples = random_samples((1, 3, 9, 8), "float32", 2, 1)
    (theirs,) = onnxruntime_outputs(blob, samples)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
