"""The self-test of a bundle decodes its sample, prints the answers, and fails where they differ."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.firmware.bundle import bundle
from edgemnv2.firmware.selftest import make_selftest
from edgemnv2.pipeline import CompileOptions, compile_model
from tests.check.test_pictures import MAKERS
from tests.firmware.firmware_harness import boot, build_cmake, compiled, cross_cmake, run, verdict
from tests.pipeline.test_field_segmenters import made
from tests.usual import usual

Need = Callable[[str], str]


def answers(said: str) -> tuple[list[int], str]:
    """The classes that were printed, and how many of how many."""
    found = [int(x) for x in re.findall(r"^answer: class (\d+),", said, re.MULTILINE)]
    counted = re.search(r"^answers: (\d+ of \d+)", said, re.MULTILINE)
    assert counted is not None
    return found, counted[1]


def check(artifact: Artifact, said: str) -> None:
    """What the firmware said is what the decoder in NumPy says of the reference's outputs."""
    expected = make_selftest(artifact).answers
    assert expected is not None
    assert verdict(said) == "PASS"
    found, counted = answers(said)
    assert found == [row[0] for row in expected.rows]
    assert counted == f"{len(found)} of {len(found)}"


@pytest.mark.parametrize("kind", MAKERS)
def test_on_this_machine(kind: str, tmp_path: Path, require_tool: Need) -> None:
    for tool in ("cmake", "gcc"):
        require_tool(tool)
    artifact = compile_model(MAKERS[kind](tmp_path), "host", tmp_path / "net", CompileOptions())
    folder = tmp_path / "bundle"
    bundle(artifact, "cmake", folder)
    check(artifact, run([build_cmake(folder)], folder))
    # An answer more, and a class that is another.
    data = folder / f"selftest/{artifact.name}_selftest_data.c"
    right = data.read_text()
    count = re.search(r"_selftest_answer_count = (\d+);", right)
    assert count is not None
    wrong = right.replace(count[0], f"_selftest_answer_count = {int(count[1]) + 1};")
    data.write_text(wrong)
    program = build_cmake(folder)
    said = run(["sh", "-c", f"{program} || true"], folder)
    assert verdict(said) == "FAIL, the decoder answers otherwise"
    first = re.search(r"_selftest_answers\[\] = \{\n    \{(\d+),", right)
    assert first is not None
    data.write_text(right.replace(first[0], first[0].replace(f"{{{first[1]},", "{99,")))
    program = build_cmake(folder)
    said = run(["sh", "-c", f"{program} || true"], folder)
    if int(count[1]):
        assert verdict(said) == "FAIL, the decoder answers otherwise"


@pytest.mark.parametrize("target", usual(["mps2-an500", "mps3-an547"], ["mps2-an500"]))
@pytest.mark.parametrize(
    "model",
    [
        "digits",
        pytest.param("digits-detector", marks=pytest.mark.slow(ci=True)),
        pytest.param("digits-segmenter", marks=pytest.mark.slow(ci=True)),
    ],
)
def test_on_cortex_m(model: str, target: str, tmp_path: Path, require_tool: Need) -> None:
    for tool in ("cmake", "arm-none-eabi-gcc", "qemu-system-arm"):
        require_tool(tool)
    artifact = compiled(model, target, tmp_path / "net")
    bundle(artifact, "cmake", tmp_path / "bundle")
    said = boot(cross_cmake(tmp_path / "bundle"), artifact.target.machine or "")
    check(artifact, said)
    assert answers(said)[0]


@pytest.mark.slow(ci=True)
def test_a_mask_of_one_channel_on_cortex_m(
    tmp_path: Path, require_tool: Need, require_module: Callable[[str], None]
) -> None:
    """A U-Net of one class in int8: its threshold is a stored integer there."""
    require_module("ai_edge_litert")
    for tool in ("cmake", "arm-none-eabi-gcc", "qemu-system-arm"):
        require_tool(tool)
    path = tmp_path / "net.tflite"
    path.write_bytes(made("u-net of one class, int8"))
    artifact = compiled(path, "mps2-an500", tmp_path / "net")
    bundle(artifact, "cmake", tmp_path / "bundle")
    said = boot(cross_cmake(tmp_path / "bundle"), artifact.target.machine or "")
    check(artifact, said)
    assert answers(said)[0] == [0, 1]
