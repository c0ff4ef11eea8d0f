"""Cubic, antialiased and cropping resizes are onnxruntime's, whatever the sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.networks.against import onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import verified
from tests.networks.onnx_net import one_operator

TRANSFORMATIONS = (
    "half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric",
    "tf_crop_and_resize",
)  # fmt: skip


def random_resize(seed: int, mode: str, transformation: str) -> tuple[bytes, tuple[int, ...]]:
    """A file of one Resize of opset 19."""
    random = np.random.default_rng(seed)
    height, width = (int(x) for x in random.integers(2, 12, 2))
    sizes = np.array([1, 3, *random.integers(1, 15, 2)], np.int64)
    box = np.array([0, 0, *random.uniform(-0.2, 0.5, 2), 1, 1, *random.uniform(0.5, 1.2, 2)])
    attributes: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": transformation}
    crop = transformation == "tf_crop_and_resize"
    if crop:
        attributes["extrapolation_value"] = 3.0
    elif mode != "nearest":
        attributes["antialias"] = int(random.integers(2))
    if mode == "cubic":
        attributes["exclude_outside"] = int(random.integers(2))
        attributes["cubic_coeff_a"] = float(random.choice([-0.75, -0.5]))
    constants = {"roi": box.astype(np.float32), "sizes": sizes}
    inputs = ("x", "roi" if crop else "", "", "sizes")
    shape = (1, 3, height, width)
    return one_operator("Resize", shape, constants, inputs=inputs, opset=19, **attributes), shape


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
@pytest.mark.parametrize("mode", ["cubic", "linear", "nearest"])
def test_resizes_are_onnxruntime_s(
    mode: str, transformation: str, require_module: Callable[[str], None], tmp_path: Path
) -> None:
    require_module("onnxruntime")
    for seed in range(12):
        blob, shape = random_resize(seed, mode, transformation)
        samples = random_samples(shape, "float32", 1, seed)
        (theirs,) = onnxruntime_outputs(blob, samples)
        _, ours = reference(blob, ".onnx", samples, tmp_path)
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())


def test_a_compiled_cubic_resize_is_the_reference(tmp_path: Path) -> None:
    blob, _ = random_resize(1, "cubic", "half_pixel")
    assert verified(blob, ".onnx", "host", tmp_path).passed
