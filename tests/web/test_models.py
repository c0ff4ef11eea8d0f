"""Whole int8 networks as WebAssembly in Node.js: no byte differs from the reference.

    python -m pytest -m slow tests/web/test_models.py tests/web/test_random_networks.py

runs them all, and 300 random networks.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgemnv2.check.verify import verify
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import runner_for
from edgemnv2.samples.inputs import SampleChoice
from tests.conftest import SHARED_DATA, missing

SAMPLES = 2
LAST_BITS = 1e-6
"""Of scores in float32, which `expf` rounds otherwise than NumPy."""
BUILT_IN = (
    "digits-int8",
    "digits-detector-int8",
    "digits-segmenter-int8",
    "mobilenetv2-0.35-96-int8",
    "ssdlite-mobilenetv2-320-int8",
    "deeplabv3-mobilenetv2-257-int8",
)
FILES = (
    "coral_deeplabv3_mnv2_dm05_pascal_quant.tflite",
    "coral_mobilenet_v2_1.0_224_quant.tflite",
    "ei_mask-tflite.tflite",
    "fomo_face_detection.tflite",
    "st_mobilenet_v2_0.35_128_tfs_channel_first.onnx",
    "tf2_mobilenet_v2_1.0_224_ptq.tflite",
    "tflm_pytorch_mobilenet_v2_quantized_1x3x224x224.tflite",
    "tfs_coco_ssd_mobilenet_v1_quant_postprocess.tflite",
)


def check(source: str | Path, tmp_path: Path, config: pytest.Config) -> None:
    if shutil.which("node") is None:
        missing(config, "node")
    artifact = compile_model(source, "wasm", tmp_path / "net")
    found = verify(artifact, runner_for(artifact), SampleChoice(random=SAMPLES))
    assert found.passed, found
    if any(tensor.dtype == "float32" for tensor in artifact.outputs):
        # A softmax of floats behind the integers: a score that one integer changes differs by more.
        assert found.max_abs_error < LAST_BITS, found
    else:
        assert found.exact, found


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_network_is_exact(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    check(name, tmp_path, request.config)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_published_network_is_exact(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not (SHARED_DATA / "models" / name).is_file():
        missing(request.config, name, "is not in ../shared/data/models")
    check(SHARED_DATA / "models" / name, tmp_path, request.config)
