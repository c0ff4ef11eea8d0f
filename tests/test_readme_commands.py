"""Every command of README and help is run, in its order, and prints in kind what they say.

Small networks stand for the reader's files; what needs a board or a fresh machine is named below.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from edgemnv2.cli.main import VERBS
from edgemnv2.samples import digits
from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet
from tests.test_readme import README, text_of_all

REPOSITORY = README.parent
PHOTO = digits.IMAGES / "heldout_000.png"

# What each command of the README prints, as a pattern over its whole output. The order is the
# README's: later commands use what earlier ones made.
MICROCONTROLLER = {
    "edgemnv2 analyze model.tflite": r"peak.*nucleo-h743zi",
    "edgemnv2 compile model.tflite --target nucleo-h743zi -o net": r"arena +[\d.]+ KiB",
    "edgemnv2 verify net --random 4 --emulate": r"samples +4, every .* bit.*PASSED +exact",
    "edgemnv2 bundle net --format cmake -o firmware": r"format +cmake",
}
RASPBERRY = {
    "edgemnv2 compile model.onnx --target rpi4 -o net": r"target +rpi4.*arena +[\d.]+ KiB",
    "edgemnv2 verify net --images photos": r"samples +12, .*top-1 +100\.0 %.*PASSED",
    "scp -r net pi@raspberrypi: && ssh pi@raspberrypi python3 net/run.py photo.jpg": (
        r"^ *\d+\.\d{4} +2\n"
    ),
}
TWO_CORES = {
    "edgemnv2 compile model.tflite --target rpi-pico2 --threads 2 -o net": r"arena for 2 [\d.]+ KiB"
}
FLOAT = {
    "edgemnv2 quantize model.onnx --images photos --target nucleo-h743zi -o q.onnx": r"q\.onnx",
    "edgemnv2 quantize model.onnx --images photos -o q.onnx": r"q\.onnx",
}
LOOKING = {
    "edgemnv2 paper": r"Table 2",
    "edgemnv2 compile digits --target host -o digits": r"model +digits\n",
}
LETTERS = 0.01
"""Share of the picture's pixels that may differ: the labels' letters, less than a box's lines."""
CANVAS = "edgemnv2/samples/data/canvases/heldout_000.png"
DRAWING = {
    "edgemnv2 compile digits-detector-int8 --target host -o det": r"task +detector of 10 classes",
    f"edgemnv2 run det {CANVAS} --draw boxes.png": (
        r"heldout_000\.png\n"
        r"( +0\.\d{4}  \d  left \d+ top \d+ right \d+ bottom \d+\n)+drawn +boxes\.png"
    ),
}
CHECKING = {
    "edgemnv2 verify net --images DIR": r"samples +12, every .* bit.*PASSED +exact",
    "edgemnv2 bench net": r"ms",
    "edgemnv2 run net --inputs x.npz --outputs y.npz": r"written +y\.npz",
    "edgemnv2 report net -o report.html": r"report\.html",
    "edgemnv2 report net --format model-explorer -o net.json": r"net\.json\nnet\.live_bytes\.json",
    "edgemnv2 bench net --against litert,onnxruntime": r"ours / theirs.*litert.*onnxruntime",
    "edgemnv2 bench net --against litert --model model.tflite": r"litert",
    "edgemnv2 bench net --caches": r"L1 missed.*\nx86-64-v3 +blocks",
    "edgemnv2 bench net --cycles --per-layer": r"M cycles, estimated.*k cycles, estimated",
    "edgemnv2 targets": r"rpi4 .*stm32l4r5",
    "edgemnv2 targets --ram 256K": r"nano33ble",
    "edgemnv2 help TOPIC": r"memory",
    "edgemnv2 help words": r"by rows",
    "edgemnv2 help results": r"one scale per",
    "edgemnv2 help boards": r"--serial",
    "edgemnv2 help quantization": r"--io int8",
    "edgemnv2 completion bash": r"complete ",
}
TUNING = {
    "edgemnv2 tune model.tflite --target rpi4 --trials 64": r"trials",
    "edgemnv2 logs check": r"\d+ tasks, \d+ records, instructions",
    "edgemnv2 tune model.tflite --target rpi4 --trials 64 --log-dir my-log": r"trials",
    "edgemnv2 compile model.tflite --target rpi4 --tune-logs my-log -o net": r"kernels .* tuned",
    "edgemnv2 logs check --measure": r"\d+ tasks, \d+ records, instructions",
}
COMPARING = {
    "edgemnv2 bench net --per-layer --json > bench.json": r"^$",
    "edgemnv2 verify net --json > verify.json": r"verify",
    "edgemnv2 compare before after --max-arena +0": r"within all limits",
    "edgemnv2 compare figures now --max-arena +0 --max-instructions +1% --max-top1 +0.5": (
        r"top-1.*within all limits"
    ),
}
LIMITED = {"edgemnv2 analyze model.tflite --plot memory.svg": r"arena +[\d.]+ KiB"}
SCRIPTS = {
    "sh .ci/quickstart": r"target +rpi4.*PASSED",
    "sh .ci/test": r"test_paper",
}
# Verbs that the README names in passing.
BARE = {"edgemnv2 bench", "edgemnv2 compile", "edgemnv2 compare"}


def commands_in_readme() -> list[str]:
    """Every command line of the shell blocks, without its comment, and those in backquotes."""
    text = text_of_all()
    found = []
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        found += [line.split(" #", 1)[0].strip() for line in block.splitlines()]
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    found += re.findall(r"`(edgemnv2 [^`]*)`", re.sub(r"\s*\n\s*", " ", outside))
    return [line for line in found if line and line not in BARE]


def run(command: str, folder: Path, status: int = 0) -> str:
    """What a shell command printed, `edgemnv2` being this checkout's."""
    line = re.sub(
        r"\bedgemnv2 (?=\w)", f"{shlex.quote(sys.executable)} -m edgemnv2.cli.main ", command
    )
    done = subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
    )
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


def run_all(
    commands: Mapping[str, str], folder: Path, substitutes: Mapping[str, str] | None = None
) -> None:
    for command, pattern in commands.items():
        actual = command
        for old, new in (substitutes or {}).items():
            actual = actual.replace(old, new)
        said = run(actual, folder)
        assert re.search(pattern, said, re.DOTALL | re.MULTILINE), f"{command}\n{said}"


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    """A folder with `model.tflite`, `photos` and `x.npz`."""
    (tmp_path / "model.tflite").write_bytes(TinyMobilenet().build())
    # Its classes are not the digits'.
    shutil.copytree(digits.IMAGES, tmp_path / "photos", ignore=shutil.ignore_patterns("*.csv"))
    return tmp_path


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    """A folder with `model.onnx`, `photos` and `photo.jpg`."""
    shutil.copy(digits.MODEL, tmp_path / "model.onnx")
    shutil.copytree(digits.IMAGES, tmp_path / "photos")
    # Told by its content, not by its name.
    shutil.copy(PHOTO, tmp_path / "photo.jpg")
    return tmp_path


def test_every_command_of_the_readme_is_run_here() -> None:
    groups = (MICROCONTROLLER, RASPBERRY, FLOAT, LOOKING, CHECKING, COMPARING, LIMITED, TUNING)
    groups += (DRAWING, SCRIPTS, TWO_CORES)
    known = {command for group in groups for command in group}
    assert set(commands_in_readme()) == known


@pytest.mark.slow(ci=True)
def test_the_path_of_a_microcontroller(tflite: Path, require_tool: Callable[[str], str]) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    run_all({**LIMITED, **MICROCONTROLLER}, tflite)
    assert "Live bytes" in (tflite / "memory.svg").read_text(encoding="utf-8")
    said = run("edgemnv2 verify net --runner qemu-system", tflite, status=2)
    assert "no emulator has the board nucleo-h743zi" in said and "mps2-an500" in said


def test_two_cores_of_a_pico(tflite: Path, require_tool: Callable[[str], str]) -> None:
    require_tool("arm-none-eabi-gcc")
    run_all(TWO_CORES, tflite)


@pytest.mark.slow(ci=True)
def test_the_path_of_a_raspberry_pi(onnx: Path, require_tool: Callable[[str], str]) -> None:
    require_tool("qemu-aarch64")
    commands = dict(RASPBERRY)
    there, pattern = commands.popitem()
    run_all(commands, onnx)
    # This machine stands for the board.
    run("edgemnv2 compile model.onnx --target host --force -o net", onnx)
    remote = there.split("ssh pi@raspberrypi ", 1)[1].replace("python3", sys.executable)
    assert re.search(pattern, run(remote, onnx).splitlines(keepends=True)[0])


@pytest.mark.slow(ci=True)
def test_the_path_of_a_float_model(onnx: Path) -> None:
    run_all(FLOAT, onnx)
    run("edgemnv2 compile q.onnx --target host -o int8", onnx)
    assert "PASSED" in run("edgemnv2 verify int8 --images photos", onnx)


def test_just_looking(tmp_path: Path) -> None:
    run_all(LOOKING, tmp_path)
    said = run("edgemnv2 verify digits", tmp_path)
    assert re.search(r"samples +360, .*top-1 +9[789]\.\d %.*PASSED", said, re.DOTALL)


@pytest.mark.slow(ci=True)
def test_the_second_screen_is_the_picture_that_is_drawn(tmp_path: Path) -> None:
    """All but the letters of its labels, which other versions of Pillow draw otherwise."""
    image = pytest.importorskip("PIL.Image")
    run_all(DRAWING, tmp_path, {CANVAS: shlex.quote(str(REPOSITORY / CANVAS))})
    drawn, shown = (
        np.asarray(image.open(path).convert("RGB"), np.int16)
        for path in (tmp_path / "boxes.png", REPOSITORY / ".docs" / "boxes.png")
    )
    assert drawn.shape == shown.shape
    assert np.any(drawn != shown, axis=2).mean() < LETTERS


@pytest.mark.slow(ci=True)
def test_checking_and_measuring(
    tflite: Path, require_module: Callable[[str], None], require_tool: Callable[[str], str]
) -> None:
    require_module("ai_edge_litert")
    require_module("onnxruntime")
    require_tool("qemu-x86_64")
    run("edgemnv2 compile model.tflite --target host -o net", tflite)
    from edgemnv2.frontend import load_model

    spec = load_model(tflite / "model.tflite").inputs[0]
    np.savez(tflite / "x.npz", **{spec.name: np.zeros(spec.shape, spec.dtype)})
    run_all(CHECKING, tflite, {"DIR": "photos", "help TOPIC": "help results"})


@pytest.mark.slow(ci=True)
def test_comparing(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    """The workflow's commands too, as they are written in it."""
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    shutil.copy(digits.INT8_MODEL, tmp_path / "model.onnx")
    shutil.copytree(digits.IMAGES, tmp_path / "photos")
    steps = workflow_commands()
    made = [line.replace("model.tflite", "model.onnx") for line in steps[:-1]]
    for line in made:
        run(line, tmp_path)
    shutil.copytree(tmp_path / "now", tmp_path / "figures")
    run(steps[-1], tmp_path)
    comment = (tmp_path / "comment.md").read_text(encoding="utf-8")
    assert comment.startswith("### within all limits") and "| arena |" in comment
    for name in ("before", "after"):
        (tmp_path / name).symlink_to("net")
    bench, verify, *others = COMPARING
    for command in others:
        assert re.search(COMPARING[command], run(command, tmp_path), re.DOTALL)
    # What the page keeps as figures is what the workflow measures.
    assert any(bench.split(" --json")[0].split()[1] in line for line in made)
    assert any(verify.split()[1] in line for line in made)
    # A network that got worse fails the step, with the table in the comment.
    worse = json.loads((tmp_path / "figures" / "bench.json").read_text(encoding="utf-8"))
    worse["arena_bytes"] -= 8
    (tmp_path / "figures" / "bench.json").write_text(json.dumps(worse), encoding="utf-8")
    run(steps[-1], tmp_path, status=1)
    comment = (tmp_path / "comment.md").read_text(encoding="utf-8")
    assert comment.startswith("### WORSE") and "EXCEEDED (allowed +0)" in comment


def workflow_commands() -> list[str]:
    """The lines of the step "figures" in the page about comparing."""
    job = workflow(REPOSITORY / "edgemnv2" / "help" / "compare.md")["jobs"]["compare"]
    (step,) = (step for step in job["steps"] if step.get("name") == "figures")
    return list(step["run"].splitlines())


def workflow(page: Path) -> Any:
    """What the YAML of a page says."""
    found = re.search(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return yaml.safe_load(found[1])


def test_the_readmes_workflow_is_that_of_its_page() -> None:
    (step,) = workflow(REPOSITORY / "README.md")
    assert step["name"] == "figures" and step["run"].splitlines() == workflow_commands()


def test_the_first_screen_is_what_is_printed(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    """Its lines, but for figures of compilers, of rounding, and of what is installed."""
    require_tool("aarch64-linux-gnu-gcc")
    require_tool("qemu-aarch64")
    script = (REPOSITORY / ".ci" / "quickstart").read_text(encoding="utf-8")
    branch = script.split("exit\n", 1)[0]
    said = ""
    for line in re.findall(r'^ *"\$edgemnv2" (.*)$', branch, re.MULTILINE):
        said += run(f"edgemnv2 {line}", tmp_path)
    found = re.search(r"```text\n(model .*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    varies = re.compile(r"^(code|source|PASSED|constants) .*|^ +-?\d+\.\d+ ", re.MULTILINE)
    kept = [x for x in said.splitlines() if not re.match(r"(edgemnv2 )?(compile|verify): ", x)]
    shown = found[1].splitlines()
    assert [varies.sub(r"\1", x) for x in kept] == [varies.sub(r"\1", x) for x in shown]
    # What TVM compiles is most of the code, and the same everywhere.
    sizes = [re.search(r"^code +([\d.]+) KiB", x, re.MULTILINE) for x in (said, found[1])]
    assert float(sizes[1][1]) == pytest.approx(float(sizes[0][1]), rel=0.05)


@pytest.mark.slow
def test_tuning(tflite: Path, require_tool: Callable[[str], str]) -> None:
    require_tool("qemu-aarch64")
    # Two trials, and not into the logs that ship.
    substitutes = {
        "--trials 64 --log-dir my-log": "--trials 2 --log-dir my-log",
        "--trials 64": "--trials 2 --log-dir log",
        "check": "check log",
    }
    run_all(TUNING, tflite, substitutes)


@pytest.mark.slow
def test_the_two_scripts(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    """With this environment in the place of the one that they would install."""
    require_tool("qemu-aarch64")
    checkout = tmp_path / "checkout"
    run(f"git clone -q --no-hardlinks {shlex.quote(str(REPOSITORY))} {checkout}", tmp_path)
    programs = checkout / ".venv/bin"
    programs.mkdir(parents=True)
    for name, words in {
        "pip": "exit 0",
        "python": f'case "$*" in "-m pip "*) exit 0;; esac\nexec {sys.executable} "$@"',
        "edgemnv2": f'exec {sys.executable} -m edgemnv2.cli.main "$@"',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{words}\n")
        (programs / name).chmod(0o755)
    quickstart, test = SCRIPTS
    said = run(quickstart, checkout)
    assert re.search(SCRIPTS[quickstart], said, re.DOTALL)
    said = run(f"CI= {test} --collect-only -q -n 0 tests/paper", checkout)
    assert re.search(SCRIPTS[test], said)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_has_examples(verb: str, tmp_path: Path) -> None:
    said = run(f"edgemnv2 {verb} --help", tmp_path)
    examples = said.split("\nexamples:\n", 1)[1].strip().splitlines()
    assert examples and all(f"edgemnv2 {verb}" in line for line in examples)
