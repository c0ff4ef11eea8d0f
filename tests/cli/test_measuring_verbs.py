"""`bench`, `run`, `targets` and `doctor`: what they print, and how they refuse."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.artifact import load_artifact
from edgemnv2.benchmark.latency import bench
from edgemnv2.cli import runner_arguments
from edgemnv2.cli.main import main
from edgemnv2.errors import RunnerError
from edgemnv2.runners import RUNNER_NAMES
from edgemnv2.runners.base import RunResult
from edgemnv2.runners.device_state import DeviceState, local_state, read_state, state_notes
from edgemnv2.runners.doctor import _PURPOSES, doctor, purposes
from edgemnv2.target import load_target, target_names
from tests.runners.tiny_artifact import make_tiny_artifact

# DESIGN's keys; more may join.
BENCH_KEYS = {"metric", "median", "p95", "samples", "threads", "runner", "target"}


@pytest.fixture
def host(tmp_path: Path, require_tool: Callable[[str], str]) -> Path:
    require_tool("gcc")
    return make_tiny_artifact(tmp_path / "art", "host").path


def test_bench_measures_seconds_here(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(host), "--repeat", "20", "--json", "--per-layer"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) >= BENCH_KEYS
    assert result["metric"] == "seconds" and result["samples"] == 20 and result["threads"] == 1
    assert 0 < result["minimum"] <= result["median"] <= result["p95"] < 1
    assert [layer["name"] for layer in result["layers"]] == ["plus_one"]
    assert main(["bench", str(host)]) == 0
    text = capsys.readouterr().out
    assert "samples 50" in text and " ms" in text and "instructions" not in text


def test_an_instruction_count_never_looks_like_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], require_tool: Callable[[str], str]
) -> None:
    require_tool("qemu-system-arm")
    require_tool("arm-none-eabi-gcc")
    folder = make_tiny_artifact(tmp_path / "art", "mps2-an386").path
    assert main(["bench", str(folder), "--per-layer"]) == 0
    text = capsys.readouterr().out
    assert "M instructions" in text and "exact, not time" in text and " ms" not in text
    assert "samples 1" in text and "stack " in text
    assert main(["bench", str(folder), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["metric"] == "instructions" and result["runner"] == "qemu-system"
    assert result["median"] == result["p95"] == int(result["median"])


def test_bench_refuses_in_one_line(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(host), "--repeat", "0"]) == 2
    assert "--repeat 0: expected at least 1" in capsys.readouterr().err
    assert main(["bench", str(host.parent / "nothing")]) == 1
    assert "is not an artefact folder" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["--against litert", "--caches", "--cycles"])
@pytest.mark.parametrize(
    "flag",
    ["--ssh pi@board", "--serial /dev/ttyACM0", "--runner local", "--rpc-tracker t:1 --rpc-key k"],
)
def test_a_place_that_would_not_be_heeded_is_told(
    kind: str, flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--against ... --ssh pi@board` measured this machine."""
    assert main(["bench", str(tmp_path), *kind.split(), *flag.split()]) == 2
    error = capsys.readouterr().err
    assert kind.split()[0] in error and "leave --" in error and error.count("\n") == 1


def test_figures_name_what_they_are_of(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(host), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["artifact"], result["name"]) == (str(host), load_artifact(host).name)


def test_a_runner_that_loses_measurements_is_refused(host: Path) -> None:
    class Forgetful:
        name = "local"

        def run(self, artifact: object, inputs: object, **_: object) -> RunResult:
            return RunResult((), metric="seconds", values=(1.0,))

    with pytest.raises(RunnerError, match=r"measured 1 inferences \(expected 3\)"):
        bench(load_artifact(host), Forgetful(), repeat=3)


def test_figures_are_the_median_and_the_95th_percentile(host: Path) -> None:
    class Fixed:
        name = "local"

        def run(self, artifact: object, inputs: object, **_: object) -> RunResult:
            return RunResult((), metric="seconds", values=tuple(np.arange(1.0, 101.0)))

    result = bench(load_artifact(host), Fixed(), repeat=100)
    assert (result.median, result.p95, result.minimum) == (50.5, 96.0, 1.0)


def test_targets_lists_all_and_checks_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["targets", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(target_names())
    assert main(["targets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(target_names()) + 1
    assert any(line.startswith("rpi4 ") and "cortex-a72" in line for line in lines)
    (tmp_path / "mine.toml").write_text("description = 'x'\n")
    assert main(["targets", str(tmp_path / "mine.toml")]) == 1
    assert "mine.toml: key cpu is missing" in capsys.readouterr().err


def test_targets_are_filtered_by_memory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "--ram", "256K", "--json"]) == 0
    found = set(json.loads(capsys.readouterr().out))
    wanted = {name for name in target_names() if load_target(name).ram_bytes >= 256 * 1024}
    assert found == wanted and "nano33ble" in found and "nucleo-f446re" not in found
    assert main(["targets", "--flash", "2M", "--json"]) == 0
    found = set(json.loads(capsys.readouterr().out))
    assert "rpi-pico" in found and "nano33ble" not in found and "rpi4" in found
    with pytest.raises(SystemExit):
        main(["targets", "--ram", "much"])
    assert "'much' is no size" in capsys.readouterr().err


def test_every_tool_that_doctor_knows_serves_a_purpose() -> None:
    checks = doctor()
    served = {tool for _, groups in _PURPOSES for group in groups for tool in group}
    assert {check.name for check in checks} == served
    assert len({purpose.words for purpose in purposes(checks)}) == len(_PURPOSES)


def test_doctor_says_what_is_missing_and_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    (line,) = (text for text in lines if "to run Cortex-M code here:" in text)
    assert line.startswith("missing") and line.endswith(
        "apt install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
    )
    (line,) = (text for text in lines if "to compile for 64-bit Linux boards:" in text)
    assert line.startswith("ok") and "ziglang" in line
    main(["doctor", "--tools"])
    text = capsys.readouterr().out
    assert "missing  qemu-aarch64" in text and "apt install qemu-user" in text
    assert main(["doctor", "--json"]) == 0
    checks = {c["name"]: c for c in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["apache-tvm"]["found"] and not checks["arm-none-eabi-gcc"]["found"]


def test_doctor_says_which_compiler_does_not_work_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there, and it is of no use: both are said, and what would help."""
    broken = tmp_path / "aarch64-linux-gnu-gcc"
    broken.write_text(
        "#!/bin/sh\necho 'probe.c:1:10: fatal error: stdint.h: no such file' >&2\nexit 1\n"
    )
    broken.chmod(0o755)
    emulator = tmp_path / "qemu-arm"
    emulator.write_bytes(b"\x7fELF of another machine")
    emulator.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert main(["doctor", "--tools"]) == 0, "ziglang does it as well"
    lines = capsys.readouterr().out.splitlines()
    (line,) = (text for text in lines if "  aarch64-linux-gnu-gcc " in text)
    assert line.startswith("BROKEN ") and f"{broken} cannot compile a program" in line
    assert "stdint.h" in line and "apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross" in line
    (line,) = (text for text in lines if "  qemu-arm " in text)
    assert line.startswith("BROKEN ") and f"{emulator} cannot be run" in line


def test_doctor_knows_the_interface_that_crashes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgemnv2.runners.doctor.version_of", lambda name: "0.1.15.post2")
    assert main(["doctor"]) == 1
    assert "BROKEN   to compile:" in capsys.readouterr().out
    assert main(["doctor", "--tools"]) == 1
    text = capsys.readouterr().out
    assert "BROKEN   apache-tvm-ffi" in text
    assert "pip install apache-tvm-ffi==0.1.14.post1" in text


def test_command_line_knows_the_runners_that_exist() -> None:
    assert set(runner_arguments.RUNNER_NAMES) == set(RUNNER_NAMES)


def test_tracker_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TVM_TRACKER_HOST", "farm")
    assert runner_arguments._tracker_from_environment() == "farm:9190"
    monkeypatch.setenv("TVM_TRACKER_PORT", "9000")
    assert runner_arguments._tracker_from_environment() == "farm:9000"


def test_device_state_is_read_from_files() -> None:
    files = {
        "/proc/loadavg": "3.10 1 1 1/1 1\n",
        "/sys/devices/system/cpu/online": "0-3\n",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "600000\n",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "1500000\n",
        "/sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
    }
    state = read_state(files.get)
    assert state == DeviceState(3.1, 4, "ondemand", 600_000_000, 1_500_000_000, 0x50005)
    notes = state_notes(state, state)
    assert notes == (
        "load 3.10 on 4 cores before the start: other work disturbs the times",
        "governor ondemand (the governor `performance` gives steadier times)",
        "clock 600 of 1500 MHz at the end",
        "throttling: under-voltage, throttled",
    )
    silent = read_state(lambda path: None)
    assert state_notes(silent, silent) == ("the clock cannot be read here",)
    assert local_state().cores >= 1
