"""The bill of materials names what decides an artefact's bytes, and nothing of the machine."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.pipeline import compile_model
from edgemnv2.provenance import version_of
from edgemnv2.version import __version__
from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "net.tflite"
    path.write_bytes(TinyMobilenet().build())
    return path


@pytest.mark.parametrize("target", ["host", "mps2-an386"])
def test_it_lists_components_and_inputs(
    target: str, model: Path, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("gcc" if target == "host" else "arm-none-eabi-gcc")
    artifact = compile_model(model, target, tmp_path / "artifact")
    listed = artifact.manifest.provenance
    versions = {x["name"]: x["version"] for x in listed["components"]}
    assert versions["edgemnv2"] == __version__
    assert versions["apache-tvm"] == version_of("apache-tvm")
    assert ("LLVM" in versions) == (target == "host")
    assert re.search(r"\d+\.\d+", versions["gcc"])
    (source,) = [x for x in listed["inputs"] if x["role"] == "model"]
    assert source["name"] == "net.tflite"
    assert source["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()


def test_it_names_the_log_that_decided(tmp_path: Path) -> None:
    artifact = compile_model("mobilenetv2-0.35-96-int8", "mps2-an386", tmp_path / "artifact")
    logs = [x for x in artifact.manifest.provenance["inputs"] if x["role"] == "schedules"]
    assert bool(logs) == bool(_tuned(artifact))


def _tuned(artifact: Artifact) -> list[str]:
    kernels = artifact.manifest.kernels
    found = [k.schedule for k in kernels if k.schedule not in ("default", "fallback")]
    return [*found, *artifact.manifest.network_records.values()]


def test_no_path_and_no_date_is_in_it(model: Path, tmp_path: Path) -> None:
    artifact = compile_model(model, "mps2-an386", tmp_path / "artifact")
    text = json.dumps(artifact.manifest.provenance)
    assert "/tmp" not in text and str(Path.home()) not in text and str(tmp_path) not in text
    assert not re.search(r"20\d\d-\d\d-\d\d", text)
