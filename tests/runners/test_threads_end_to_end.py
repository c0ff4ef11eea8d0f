"""`compile --threads`, then `verify`, `run` and `bench --threads`: plans, outputs, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.artifact import load_artifact
from edgemnv2.benchmark.latency import random_sample
from edgemnv2.cli.main import main
from edgemnv2.codegen.elf import read_elf
from edgemnv2.errors import UsageError
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.pipeline.threads import thread_counts
from edgemnv2.runners import runner_for
from edgemnv2.target import load_target, missing_local_features

MODEL = "mobilenetv2-0.35-32-int8"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if missing_local_features(load_target("host")):
        pytest.skip("this processor has no AVX2")
    folder = tmp_path_factory.mktemp("threads") / "net"
    compile_model(MODEL, "host", folder, CompileOptions(name="net"))
    return folder


def test_manifest_and_exports_tell_the_plans(host: Path) -> None:
    artifact = load_artifact(host)
    assert artifact.manifest.threads == (1, 2, 4)
    assert set(artifact.manifest.threads_arena_bytes) == {2, 4}
    exported = read_elf(host / "lib" / "libnet.so").exported()
    assert {"net_pool_start", "net_pool_stop", "net_run_threads"} <= set(exported)
    header = (host / "include" / "net.h").read_text()
    largest = max(artifact.arena_bytes, *artifact.manifest.threads_arena_bytes.values())
    assert f"#define NET_THREADS_ARENA_BYTES {largest}\n" in header


@pytest.mark.parametrize("threads", ["1", "2", "4"])
def test_verify_is_exact(host: Path, threads: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["verify", str(host), "--random", "4", "--threads", threads, "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["exact"]


def test_bench_counts_its_threads(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(host), "--threads", "2", "--repeat", "20", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["threads"] == 2 and result["samples"] == 20


def test_run_takes_threads(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for threads in ("1", "4"):
        assert main(["run", str(host), "--random", "2", "--threads", threads, "--json"]) == 0
        outputs.append(json.loads(capsys.readouterr().out)["predictions"])
    assert outputs[0] == outputs[1]


def test_a_number_without_a_plan_is_refused(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(host), "--threads", "3"]) != 0
    message = capsys.readouterr().err.strip()
    assert message.endswith(
        f"--threads 3: {host} has plans for 1, 2, 4, not for 3 (compile --threads 3)"
    )


@pytest.mark.slow(ci=True)
def test_any_number_can_be_planned_for(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    """Under the emulator, too: more threads than cores, and sleeping ones."""
    require_tool("aarch64-linux-gnu-gcc")
    require_tool("qemu-aarch64")
    artifact = compile_model(MODEL, "rpi4", tmp_path / "net", CompileOptions(threads=3))
    assert artifact.manifest.threads == (1, 3)
    sample = random_sample(artifact, 3)
    runner = runner_for(artifact)
    alone = runner.run(artifact, [sample] * 2)
    together = runner.run(artifact, [sample] * 2, threads=3)
    for a, b in zip(alone.outputs, together.outputs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("target", "io", "threads", "message"),
    [
        ("host", "caller", 0, "threads=0: expected 1 to 64"),
        ("host", "caller", 65, "threads=65: expected 1 to 64"),
        (
            "mps2-an386",
            "arena",
            2,
            "threads=2: mps2-an386 has one core (leave it out)",
        ),
        ("rpi-pico", "arena", 4, "threads=4: expected 1 or 2 on rpi-pico"),
        (
            "esp32-p4",
            "arena",
            2,
            "threads=2: on esp32-p4 one core runs the network; two are for Arm's (leave it out)",
        ),
        (
            "rpi4",
            "arena",
            2,
            "threads=2: with io=arena there is one thread only (use io=caller)",
        ),
    ],
)
def test_impossible_numbers_are_refused(target: str, io: str, threads: int, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        thread_counts(load_target(target), io, threads)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("target", "io", "counts"),
    [
        ("host", "caller", (2, 4)),
        ("rpi4", "caller", (2, 4)),
        ("rpi4", "arena", ()),
        ("mps2-an386", "arena", ()),
    ],
)
def test_default_numbers(target: str, io: str, counts: tuple[int, ...]) -> None:
    assert thread_counts(load_target(target), io, None) == counts
    assert thread_counts(load_target(target), io, 1) == ()
