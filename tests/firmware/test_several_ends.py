"""Bundles of networks with several inputs and outputs: each end is given, compared and served."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.firmware.bundle import bundle
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.pipeline import CompileOptions, compile_graph
from edgemnv2.target import load_target
from tests.firmware.firmware_harness import build_cmake, cross_cmake, run, verdict
from tests.firmware.test_board_firmware import check_over_the_line
from tests.networks.several_ends import every_end, two_heads, two_inputs

Need = Callable[[str], str]
NETWORKS = {"two_heads": two_heads, "two_inputs": two_inputs, "every_end": every_end}


def compiled(name: str, target: str, folder: Path, io: str | None = None) -> Artifact:
    folder.mkdir()
    file = folder / f"{name}.tflite"
    file.write_bytes(NETWORKS[name]())
    options = CompileOptions(io=io, threads=1)
    return compile_graph(lower(load_model(file)), load_target(target), folder / "artifact", options)


@pytest.mark.parametrize(
    "io",
    ["arena", *(pytest.param(x, marks=pytest.mark.slow(ci=True)) for x in ("input", "caller"))],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_self_test_compares_every_output(
    name: str, io: str, tmp_path: Path, require_tool: Need
) -> None:
    for tool in ("cmake", "gcc"):
        require_tool(tool)
    artifact = compiled(name, "mps2-an500", tmp_path / "net", io)
    folder = tmp_path / "bundle"
    bundle(artifact, "cmake", folder)
    assert verdict(run([build_cmake(folder)], folder)) == "PASS"
    # Each output by itself: its last value is spoilt.
    data = folder / f"selftest/{artifact.name}_selftest_data.c"
    right = data.read_text()
    fields = re.findall(r'^    \{"(\w+)", expected_\1, (\d+), ', right, re.MULTILINE)
    assert len(fields) == len(artifact.outputs)
    for field, count in fields:
        body = re.search(rf"expected_{field}\[\] ALIGNED = \{{[^}}]*", right)
        assert body
        before, _, last = body[0].rstrip().rpartition(",")
        data.write_text(right.replace(body[0], f"{before},{int(last) ^ 1}"))
        program = build_cmake(folder)
        said = verdict(run(["sh", "-c", f"{program} || true"], folder))
        at = int(count) - 1
        assert said.startswith(f"FAIL, {field}: first at index {at}: expected {int(last) ^ 1}")
        assert said.endswith(f", got {last} (1 of {count} differ)")


@pytest.mark.parametrize("name", NETWORKS)
def test_firmware_serves_every_end(name: str, tmp_path: Path, require_tool: Need) -> None:
    for tool in ("cmake", "arm-none-eabi-gcc", "qemu-system-arm"):
        require_tool(tool)
    artifact = compiled(name, "mps2-an500", tmp_path / "net")
    bundle(artifact, "cmake", tmp_path / "bundle")
    program = cross_cmake(tmp_path / "bundle")
    command = ["qemu-system-arm", "-M", "mps2-an500", "-display", "none", "-monitor", "none"]
    check_over_the_line(artifact, [*command, "-serial", "stdio", "-kernel", program])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_script_on_linux_compares_every_output(name: str, tmp_path: Path) -> None:
    artifact = compiled(name, "host", tmp_path / "net")
    folder = tmp_path / "bundle"
    bundle(artifact, "linux", folder)
    (archive,) = folder.glob("*.tar")
    run(["tar", "-xf", archive], tmp_path)
    inside = tmp_path / archive.stem
    assert verdict(run(["./selftest.sh"], inside)) == "PASS"
    expected = sorted((inside / "selftest").glob("*.bin"))
    assert len(expected) == 1 + len(artifact.outputs)
    for file in expected:
        if file.stem == "input":
            continue
        right = file.read_bytes()
        file.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
        said = verdict(run(["sh", "-c", "./selftest.sh || true"], inside))
        assert said.startswith(f"FAIL, {file.stem}: first at index {len(right) - 1}: ")
        file.write_bytes(right)


def test_the_readme_shows_a_call_with_every_end(tmp_path: Path) -> None:
    artifact = compiled("two_inputs", "mps2-an500", tmp_path / "net")
    bundle(artifact, "cmake", tmp_path / "bundle")
    text = (tmp_path / "bundle/README.md").read_text()
    for line in (
        "    const struct two_inputs_inputs inputs = {image, state};",
        "    const struct two_inputs_outputs outputs = {answer, new_state};",
        " * state: int8, 12 x 10 x 8, NHWC; real = 0.07 * (stored - 2)",
    ):
        assert line in text.splitlines(), text
