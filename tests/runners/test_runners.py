"""One protocol, many places: the same bytes everywhere, and faults are told apart."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.benchmark.latency import random_sample
from edgemnv2.errors import DoesNotFit, InputError, RunnerError, UsageError
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.runners import (
    RunnerOptions,
    base,
    default_runner,
    insn_plugin,
    make_runner,
    runner_for,
)
from edgemnv2.runners.local import RUNTIME, artifact_flags
from edgemnv2.runners.qemu_system import emulated_board
from edgemnv2.target import load_target, target_names
from tests.runners.tiny_artifact import HEIGHT, WIDTH, make_tiny_artifact, tiny_samples

NEEDS = {
    "host": ["gcc"],
    "rpi4": ["qemu-aarch64", "aarch64-linux-gnu-gcc"],
    "rpi5": ["qemu-aarch64", "aarch64-linux-gnu-gcc"],
    "rpi3-32": ["qemu-arm", "arm-linux-gnueabihf-gcc"],
    "mps2-an385": ["qemu-system-arm", "arm-none-eabi-gcc"],
    "mps2-an386": ["qemu-system-arm", "arm-none-eabi-gcc"],
    "mps2-an500": ["qemu-system-arm", "arm-none-eabi-gcc"],
    "mps2-an505": ["qemu-system-arm", "arm-none-eabi-gcc"],
    "mps3-an547": ["qemu-system-arm", "arm-none-eabi-gcc"],
    "cortex-m0plus": ["qemu-system-arm", "arm-none-eabi-gcc"],
}
# What calling the hook up to its first mark may cost: about ten moves, pushes and jumps.
HOOK_INSTRUCTIONS = 20
FAULTY = ["host", "rpi4", "mps2-an386"]


@pytest.fixture
def artifact_for(tmp_path: Path, require_tool: Callable[[str], str]):
    def make(target: str, fault: str = ""):
        for tool in NEEDS.get(target, []):
            require_tool(tool)
        return make_tiny_artifact(tmp_path / f"{target}-{fault}", target, fault)

    return make


@pytest.mark.parametrize("target", NEEDS)
def test_outputs_trace_and_measurement(target: str, artifact_for) -> None:
    artifact = artifact_for(target)
    samples = tiny_samples(3)
    result = runner_for(artifact).run(artifact, samples, repeat=2, trace=True, layers=True)
    for sample, output in zip(samples, result.outputs, strict=True):
        np.testing.assert_array_equal(output, sample + 1)
    assert len(result.values) == 2 and min(result.values) > 0
    assert result.metric == ("seconds" if target == "host" else "instructions")
    # A hook without data is a step that has no row yet: not in the trace.
    assert [(t.sample, t.layer, t.row) for t in result.trace] == [
        (s, 0, r) for s in range(3) for r in range(HEIGHT)
    ]
    assert result.trace[HEIGHT + 2].data == (samples[1] + 1)[0, 2].tobytes()
    # The tiny artefact has one layer, so all of the work is that layer's.
    assert list(result.layers) == [0]
    if result.metric == "instructions":
        hooks = 2 * HEIGHT
        assert abs(result.layers[0] - result.values[0]) < hooks * HOOK_INSTRUCTIONS
        assert result.values[0] == result.values[1], "a count is exact"
        assert "not time" in result.notes[0]
        total = sum(result.functions.values())
        assert 0.9 * result.values[-1] < total <= result.values[-1]
        assert result.functions["tiny_add_one"] > HEIGHT * WIDTH
    if artifact.target.is_bare_metal:
        assert result.stack_bytes is not None and 16 < result.stack_bytes < 1024


@pytest.mark.parametrize("target", FAULTY)
def test_fed_rows_give_the_same_output(target: str, artifact_for) -> None:
    artifact = artifact_for(target)
    samples = tiny_samples(2)
    result = runner_for(artifact).run(artifact, samples, rows=True)
    for sample, output in zip(samples, result.outputs, strict=True):
        np.testing.assert_array_equal(output, sample + 1)


@pytest.mark.parametrize("target", FAULTY)
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("fence", "wrote outside its arena"),
        ("status", "the code answered status -2"),
        ("crash", "faulted|ended with|did not finish"),
    ],
)
def test_faults_are_told_apart(target: str, fault: str, message: str, artifact_for) -> None:
    artifact = artifact_for(target, fault)
    with pytest.raises(RunnerError, match=message):
        runner_for(artifact).run(artifact, tiny_samples(1))


def test_a_hanging_program_is_given_up(artifact_for, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgemnv2.runners import bench_program

    execute = bench_program.execute
    monkeypatch.setattr(
        "edgemnv2.runners.local.execute",
        lambda command, folder, place, timeout_seconds: execute(command, folder, place, 0.5),
    )
    artifact = artifact_for("host", "hang")
    with pytest.raises(RunnerError, match="bench gave no answer in"):
        runner_for(artifact).run(artifact, tiny_samples(1))


def test_bare_metal_source_runs_on_this_machine_but_is_not_timed(artifact_for) -> None:
    artifact = artifact_for("mps2-an386")
    samples = tiny_samples(2)
    result = make_runner("local").run(artifact, samples)
    np.testing.assert_array_equal(result.outputs[1], samples[1] + 1)
    with pytest.raises(UsageError, match="cannot be timed on this machine"):
        make_runner("local").run(artifact, samples, repeat=1)


def test_inputs_of_the_wrong_kind_are_refused(artifact_for) -> None:
    artifact = artifact_for("host")
    runner = make_runner("local")
    with pytest.raises(InputError, match=r"sample 0: shape \[2, 2, 3\], but input 'image' takes"):
        runner.run(artifact, [np.zeros((2, 2, 3), np.int8)])
    with pytest.raises(InputError, match="sample 1: dtype float32, but input 'image' takes int8"):
        runner.run(artifact, [tiny_samples(1)[0], tiny_samples(1)[0].astype(np.float32)])


def test_runners_refuse_what_they_cannot_run(artifact_for) -> None:
    host, board, pi = (artifact_for(t) for t in ("host", "mps2-an386", "rpi4"))
    sample = tiny_samples(1)
    with pytest.raises(UsageError, match="qemu-system runs bare-metal code"):
        make_runner("qemu-system").run(host, sample)
    with pytest.raises(RunnerError, match="runs Linux programs, not thumb"):
        make_runner("qemu-user").run(board, sample)
    with pytest.raises(RunnerError, match=r"cannot run code for rpi4 \(it lacks aarch64"):
        make_runner("local").run(pi, sample)
    with pytest.raises(UsageError, match="runner=moon: expected one of local"):
        make_runner("moon")
    with pytest.raises(UsageError, match="threads=9"):
        make_runner("local").run(host, sample, threads=9)


def test_a_board_without_emulator_is_named(tmp_path: Path) -> None:
    artifact = make_tiny_artifact(tmp_path / "art", "rpi-pico")
    assert default_runner(artifact) == "serial"
    with pytest.raises(UsageError, match=r"no emulator has the board rpi-pico .*emulate=True runs"):
        make_runner("qemu-system").run(artifact, tiny_samples(1))


@pytest.mark.parametrize(
    ("io", "remedy"),
    [("arena", "compile --io caller"), ("caller", "a board with more memory")],
)
def test_a_program_that_the_emulated_board_cannot_hold_is_told(
    io: str, remedy: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    for tool in ("qemu-system-arm", "arm-none-eabi-gcc"):
        require_tool(tool)
    targets = Path(__file__).resolve().parents[2] / "targets"
    board = (targets / "mps2-an500.toml").read_text()
    small = board.replace('0x400000  # 4096 KiB\naccess = "rw"', '0xC000\naccess = "rw"')
    (tmp_path / "small.toml").write_text(small)
    target, options = str(tmp_path / "small.toml"), CompileOptions(io=io)
    artifact = compile_model("mobilenetv2-0.35-96-int8", target, tmp_path / "net", options)
    with pytest.raises(DoesNotFit, match=f"does not fit ssram23, 48.0 KiB, of .*{remedy}"):
        make_runner("qemu-system").run(artifact, [random_sample(artifact, 0)])


@pytest.mark.parametrize(
    ("target", "package"), [("rpi4", "qemu-user"), ("mps2-an386", "qemu-system-arm")]
)
def test_a_missing_emulator_names_its_package(
    target: str, package: str, artifact_for, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = artifact_for(target)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(RunnerError, match=f"apt install {package}"):
        runner_for(artifact).run(artifact, tiny_samples(1))


def test_an_old_emulator_cannot_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insn_plugin, "qemu_version", lambda emulator: (5, 2))
    with pytest.raises(RunnerError, match=r"version 5\.2 has no usable plugin interface"):
        insn_plugin.built_plugin("qemu-arm", insn_plugin.SOURCE)


def test_what_is_not_qemu_has_no_version() -> None:
    with pytest.raises(RunnerError, match="does not tell its version"):
        insn_plugin.qemu_version(sys.executable)


def test_a_program_without_marks_cannot_be_counted(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("gcc")
    subprocess.run(["gcc", "-xc", "-", "-o", tmp_path / "x"], input=b"int main(){}", check=True)
    with pytest.raises(RunnerError, match="has no symbol edgemnv2_mark"):
        insn_plugin.InstructionCounter.prepare("qemu-arm", tmp_path / "x", tmp_path)


def test_damaged_answers_are_refused(artifact_for) -> None:
    artifact = artifact_for("host")
    with pytest.raises(RunnerError, match="wrote 5 output bytes"):
        base.unpack_outputs(artifact, b"12345", 1)
    with pytest.raises(RunnerError, match="ends inside a record"):
        base.parse_trace(b"\0" * 20)
    with pytest.raises(RunnerError, match="layer 1, row 2 has 9 bytes"):
        base.parse_trace(np.array([0, 1, 2, 9], np.int32).tobytes())
    with pytest.raises(RunnerError, match=r"faulted \(CFSR = 0x00020000\)"):
        base.parse_facts("edgemnv2 fault 131072", "here")
    with pytest.raises(RunnerError, match=r"could not use in\.bin"):
        base.parse_facts("edgemnv2 error in.bin", "here")
    with pytest.raises(RunnerError, match=r"did not finish \(Killed"):
        base.parse_facts("edgemnv2 samples 3\nKilled", "here")


def run_py(artifact, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(artifact.path / "run.py"), *arguments]
    # -S would lose NumPy; the artefact must not need this package, so its folder is not on path.
    return subprocess.run(command, capture_output=True, text=True, cwd=artifact.path.parent)


def test_run_py_predicts_from_ppm_npy_and_npz(artifact_for, tmp_path: Path) -> None:
    artifact = artifact_for("host")
    pixels = np.arange(HEIGHT * WIDTH * 3, dtype=np.uint8).reshape(HEIGHT, WIDTH, 3)
    (tmp_path / "x.ppm").write_bytes(b"P6\n# made here\n5 6 255\n" + pixels.tobytes())
    stored = (pixels.astype(np.int16) - 128).astype(np.int8)
    np.save(tmp_path / "x.npy", stored)
    np.savez(tmp_path / "x.npz", image=stored[np.newaxis])
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    answers = {
        run_py(
            artifact, str(tmp_path / name), "--top", "2", "--labels", str(tmp_path / "labels.txt")
        ).stdout
        for name in ("x.ppm", "x.npy", "x.npz")
    }
    # Last pixel: stored 89 - 128 + 1 = -38, real (-38 + 3) * 0.5.
    assert answers == {
        "  -17.5000      2  blue  row 5 column 4\n  -18.0000      1  green  row 5 column 4\n"
    }


def test_run_py_refuses_in_one_line(artifact_for, tmp_path: Path) -> None:
    artifact = artifact_for("host")
    np.save(tmp_path / "wrong.npy", np.zeros((2, 2), np.int8))
    (tmp_path / "small.ppm").write_bytes(b"P6 2 2 255\n12")
    (tmp_path / "text.jpg").write_text("no image")
    for name, message in [
        ("wrong.npy", "shape [2, 2], expected [1, 6, 5, 3]"),
        ("small.ppm", "expected 3 channels and 2 x 2 pixels"),
        ("text.jpg", "is not an image"),
        ("absent.jpg", "cannot be read"),
    ]:
        done = run_py(artifact, str(tmp_path / name))
        assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1
    library = next((artifact.path / "lib").iterdir())
    library.write_bytes(library.read_bytes() + b"\0")
    done = run_py(artifact, str(tmp_path / "wrong.npy"))
    assert "was changed after compile" in done.stderr


def test_run_py_and_bench_agree(artifact_for) -> None:
    artifact = artifact_for("host")
    code = (
        "import sys, json, numpy as np; sys.path.insert(0, sys.argv[1]); import run;"
        "x = np.full((1, 6, 5, 3), 7, np.int8);"
        "print(json.dumps(run.Network(sys.argv[1])(x).tolist()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(artifact.path)], capture_output=True, text=True
    )
    sample = np.full((1, HEIGHT, WIDTH, 3), 7, np.int8)
    ours = make_runner("local").run(artifact, [sample]).outputs[0]
    np.testing.assert_array_equal(np.array(json.loads(done.stdout)), ours)


WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2"]


@pytest.mark.parametrize("program", ["bench_main.c", "board_main.c", "serial_main.c", "startup.c"])
def test_programs_compile_without_warnings(
    program: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    """Those for boards with arm-none-eabi-gcc and clang for Thumb, the Linux one with both."""
    artifact = make_tiny_artifact(tmp_path / "art", "mps2-an386")
    flags = [*artifact_flags(artifact), "-DEDGEMNV2_UART_BASE=0x40004000u", '-DEDGEMNV2_MODEL="0"']
    thumb = ["--target=thumbv7em-none-eabi", "-ffreestanding", "-fsyntax-only"]
    compilers = [["arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m4"], ["clang", *thumb]]
    if program == "bench_main.c":
        compilers = [["gcc"], ["clang"]]
    for compiler, *more in compilers:
        command = [require_tool(compiler), *more, *WARNINGS, *flags]
        source = str(RUNTIME / program)
        done = subprocess.run(
            [*command, "-c", source, "-o", str(tmp_path / "x.o")], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_plugin_compiles_without_warnings(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    for compiler in ("gcc", "clang"):
        command = [require_tool(compiler), *WARNINGS, "-fPIC", "-shared"]
        done = subprocess.run(
            [*command, str(insn_plugin.SOURCE), "-o", str(tmp_path / "x.so")],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [n for n in target_names() if load_target(n).is_bare_metal])
def test_every_microcontroller_has_an_emulated_board_of_its_core(name: str) -> None:
    target = load_target(name)
    board = emulated_board(target)
    assert board is not None and board.machine
    if target.cpu.isa == "thumb":
        # Armv6-M has no board of its own size in QEMU: its code is a subset of the Cortex-M3's.
        assert board.cpu.core == target.cpu.core
    else:
        # Plain C, the same for all of them.
        assert board.cpu.isa == "riscv32"


@pytest.mark.parametrize("name", ["nucleo-h743zi", "rpi-pico2", "rpi-pico", "nucleo-f446re"])
def test_a_boards_own_code_runs_on_the_emulated_board_of_its_core(
    name: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("qemu-system-arm")
    require_tool("arm-none-eabi-gcc")
    artifact = make_tiny_artifact(tmp_path / "art", name)
    runner = make_runner("qemu-system", RunnerOptions(emulate=True))
    result = runner.run(artifact, tiny_samples(2), repeat=1)
    for sample, output in zip(tiny_samples(2), result.outputs, strict=True):
        np.testing.assert_array_equal(output, sample + 1)
    board = emulated_board(artifact.target)
    assert board is not None and board.machine in result.notes[0]


def test_a_core_that_no_emulated_board_has_is_told(tmp_path: Path) -> None:
    artifact = make_tiny_artifact(tmp_path / "art", "nucleo-h743zi")
    cpu = replace(artifact.target.cpu, core="cortex-m85")
    other = replace(artifact, target=replace(artifact.target, cpu=cpu))
    with pytest.raises(UsageError, match="none that we know has its core, cortex-m85"):
        make_runner("qemu-system", RunnerOptions(emulate=True)).run(other, tiny_samples(1))
