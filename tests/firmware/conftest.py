"""One artefact for all tests of bundles: compiling is what takes the time."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact
from tests.firmware.firmware_harness import MODEL, compiled


@pytest.fixture(scope="session")
def m7(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """0.35/96 in int8 for the MPS2 board with a Cortex-M7."""
    return compiled(MODEL, "mps2-an500", tmp_path_factory.mktemp("m7") / "net")


@pytest.fixture(scope="session")
def rpi4(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """0.35/96 in int8 for the Raspberry Pi 4."""
    return compiled(MODEL, "rpi4", tmp_path_factory.mktemp("rpi4") / "net")


@pytest.fixture
def fomo(shared_data: Path) -> Path:
    """Edge Impulse's FOMO face detection."""
    return shared_data / "models/fomo_face_detection.tflite"
