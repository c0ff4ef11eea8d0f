"""CONTRIBUTING.md keeps its word: its steps are followed here, as they are written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from edgemnv2 import schedules
from edgemnv2.check.verify import SampleChoice, verify
from edgemnv2.errors import EdgeError
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_graph
from edgemnv2.runners import runner_for
from edgemnv2.schedules import ScheduleOptions
from edgemnv2.target import load_target, missing_local_features, target_names
from tests.test_readme_commands import run

REPOSITORY = Path(__file__).resolve().parents[1]
CONTRIBUTING = REPOSITORY / "CONTRIBUTING.md"


def section(title: str) -> str:
    """The text below one heading."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, f"CONTRIBUTING.md has no section {title!r}"
    return found[1]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that has this repository's target files, and nothing else."""
    (tmp_path / "targets").mkdir()
    for name in target_names():
        text = (REPOSITORY / "targets" / f"{name}.toml").read_text()
        (tmp_path / "targets" / f"{name}.toml").write_text(text)
    return tmp_path


@pytest.mark.slow(ci=True)
def test_add_a_board_as_it_is_written(checkout: Path, require_tool: Callable[[str], str]) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    copy, commands, check = blocks(section("Add a board"), "sh")
    run(copy.strip(), checkout)
    board = checkout / "myboard.toml"
    text = board.read_text()
    # The edits: another name, a slower clock, half of the memory; and an emulator of such a core.
    for old, new in (
        ('description = "ST NUCLEO-H743ZI (STM32H743ZI, Cortex-M7)"', 'description = "My board"'),
        ("clock_hz = 480_000_000", "clock_hz = 216_000_000"),
        ("length = 0x80000  # 512 KiB", "length = 0x40000  # 256 KiB"),
        ('features = ["dsp", "fpu"]', 'features = ["dsp"]'),
        ("thumbv7em-none-eabihf", "thumbv7em-none-eabi"),
        ('float_abi = "hard"', 'float_abi = "soft"'),
    ):
        assert text.count(old) == 1, f"{old} is no longer in the file that the guide starts from"
        text = text.replace(old, new)
    board.write_text(text)
    table, fits, compiled = (run(line, checkout) for line in commands.splitlines())
    assert re.search(r"^myboard .*My board", table, re.MULTILINE)
    assert re.search(r"^target +myboard", fits, re.MULTILINE)
    assert re.search(r"^target +myboard: My board", compiled, re.MULTILINE)
    assert (checkout / "net" / "include").is_dir()
    # The same with the emulator's memory.
    memory = (checkout / "targets" / "mps2-an500.toml").read_text()
    there = memory[memory.index("[[memory]]") : memory.index("[tune]")]
    board.write_text(text[: text.index("[[memory]]")] + there + text[text.index("[tune]") :])
    run("rm -r net && " + commands.splitlines()[-1], checkout)
    assert "PASSED     exact" in run(check.strip(), checkout)


def test_what_the_guide_says_of_wrong_figures_is_so(checkout: Path) -> None:
    """An error names the key and what it must be."""
    text = (checkout / "targets" / "nucleo-h743zi.toml").read_text()
    (checkout / "myboard.toml").write_text(text.replace("480_000_000", "-1"))
    with pytest.raises(EdgeError, match=r"myboard\.toml: cpu\.clock_hz = -1 \(must be "):
        load_target(checkout / "myboard.toml")


def test_add_a_simd_family_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guide's family computes rightly, says what it made, and the rest is plain."""
    host = load_target("host")
    if missing_local_features(host):
        pytest.skip("this processor has no AVX2")
    (code,) = blocks(section("Add a SIMD family"), "python")
    family = ModuleType("edgemnv2.schedules.mine")
    exec(compile(code, "CONTRIBUTING.md", "exec"), family.__dict__)
    monkeypatch.setattr(schedules, "family_of", lambda target: family)
    graph = lower(load_model("digits"))
    adds = {layer.name for layer in graph.layers if layer.op == "add"}
    artifact = compile_graph(graph, host, tmp_path / "net")
    made = {kernel.name for kernel in artifact.manifest.kernels if kernel.schedule != "fallback"}
    assert adds and made == adds
    assert verify(artifact, runner_for(artifact), SampleChoice(random=2)).passed
    for layer in graph.layers:
        default, space = (f(graph, layer, host) for f in (family.default, family.space))
        assert default.keys() == space.keys()
    assert ScheduleOptions.default(host).decisions == {}


OPERATOR_FILES = ("layer", "reference", "kernel", "check", "lower", "onnx")
TRY = """
import sys
from pathlib import Path
from edgemnv2.check.verify import SampleChoice, verify
from edgemnv2.pipeline import compile_graph
from edgemnv2.runners import runner_for
from edgemnv2.target import load_target, missing_local_features
from edgemnv2.ops.shrink.layer import Shrink
from tests.networks.against import onnxruntime_outputs, random_samples, reference
from tests.networks.onnx_net import one_operator

blob = one_operator("Shrink", (1, 3, 4, 5), lambd=0.75, bias=0.25)
samples = random_samples((1, 3, 4, 5), "float32", 3, 0)
lowered, ours = reference(blob, ".onnx", samples, Path(sys.argv[1]))
assert [type(layer) for layer in lowered.layers] == [Shrink]
assert (ours == onnxruntime_outputs(blob, samples)[0]).all()
host = load_target("host")
if missing_local_features(host):
    sys.exit()
artifact = compile_graph(lowered, host, Path(sys.argv[1]) / "net")
done = verify(artifact, runner_for(artifact), SampleChoice(random=3))
assert done.passed and done.exact
"""


def test_add_an_operator_as_it_is_written(
    tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    """The guide's operator in a copy of the package: complete by the totality test, and right."""
    require_module("onnxruntime")
    *files, line, lack = blocks(section("Add an operator"), "python")
    assert len(files) == len(OPERATOR_FILES)
    for name in ("edgemnv2", "tests", "pyproject.toml", "targets", "tune_logs"):
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    folder = tmp_path / "edgemnv2" / "ops" / "shrink"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Values nearer to zero."""\n')
    for name, text in zip(OPERATOR_FILES, files, strict=True):
        (folder / f"{name}.py").write_text(text)
    table = tmp_path / "edgemnv2" / "ops" / "table.py"
    text = table.read_text()
    after = re.search(r'    "select": .*\n', text)
    assert after is not None
    table.write_text(text[: after.end()] + f"    {line.strip()}\n" + text[after.end() :])
    test = tmp_path / "tests" / "ops" / "test_table.py"
    text = test.read_text()
    assert text.count("LACKS = {\n") == 1
    test.write_text(text.replace("LACKS = {\n", f"LACKS = {{\n    {lack.strip()}\n"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for command in (
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/ops/test_table.py"],
        [sys.executable, "-c", TRY, str(tmp_path)],
    ):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_files_and_names_that_the_guide_mentions_are_there() -> None:
    text = CONTRIBUTING.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:edgemnv2|tests|targets)/[\w/.-]*\w)`", text):
        if "shrink" in path:  # the guide makes it
            continue
        assert (REPOSITORY / path).exists(), path
    for name, file in (
        ("FEATURES", "edgemnv2/target.py"),
        ("spelled", "edgemnv2/target.py"),
        ("family_of", "edgemnv2/schedules/__init__.py"),
        ("MODELS", "edgemnv2/lab/ship_logs.py"),
        ("Machine", "tests/schedules/kernel_harness.py"),
    ):
        assert f"`{name}`" in text
        assert re.search(rf"\b{name}\b", (REPOSITORY / file).read_text())
