"""Runs a `bench` program (runtime/bench_main.c) through some launcher: natively, under an emulator,
on another machine; the folder is where its files are exchanged."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from edgemnv2.artifact import Artifact
from edgemnv2.errors import RunnerError
from edgemnv2.runners.base import (
    Facts,
    Job,
    RunResult,
    Sample,
    pack_inputs,
    parse_facts,
    parse_trace,
    sum_steps,
    unpack_outputs,
)

__all__ = ["Launcher", "execute", "run_bench_program"]

WARMUP = 3
# What an operating system can wait for at once is limited (poll: 2^31 ms).
_LONGEST_SECONDS = 14 * 86400.0

# Takes the bench program's arguments (file names relative to the folder) and the folder; gives
# standard output.
Launcher = Callable[[Sequence[str], Path], str]


def run_bench_program(
    artifact: Artifact,
    inputs: Sequence[Sample],
    launch: Launcher,
    job: Job,
    *,
    warmup: int = WARMUP,
) -> tuple[RunResult, Facts]:
    """The outputs, trace and timings of one bench run, and all facts that it printed."""
    packed = pack_inputs(artifact, inputs)
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as name:
        folder = Path(name)
        (folder / "in.bin").write_bytes(packed)
        arguments = ["--inputs", "in.bin", "--outputs", "out.bin"]
        arguments += ["--trace", "trace.bin"] if job.trace else []
        arguments += ["--rows", "1"] if job.rows else []
        arguments += ["--layers", "1"] if job.layers else []
        arguments += ["--budget", str(job.budget)] if job.budget > 0 else []
        arguments += ["--threads", str(job.threads)] if job.threads > 1 else []
        arguments += ["--repeat", str(job.repeat), "--warmup", str(warmup)]
        facts = parse_facts(launch(arguments, folder), str(artifact.path))
        outputs = unpack_outputs(artifact, (folder / "out.bin").read_bytes(), len(inputs))
        traced = parse_trace((folder / "trace.bin").read_bytes()) if job.trace else ()
    steps = tuple(float(v) for v in facts.values.get("step_seconds", ()))
    result = RunResult(
        outputs,
        metric="seconds" if job.measures else None,
        values=tuple(float(v) for v in facts.values.get("seconds", ())),
        trace=traced,
        layers=sum_steps(facts, steps),
        step_layers=facts.step_layers(),
        step_values=steps,
        peak_rss_bytes=facts.integer("peak_rss_bytes"),
    )
    return result, facts


def execute(command: Sequence[str], folder: Path, place: str, timeout_seconds: float) -> str:
    """Standard output of `command`, run in `folder`.

    Raises RunnerError when it cannot start, crashes or takes longer than the timeout. An exit code
    above 0 whose output explains itself is left to `parse_facts`.
    """
    timeout_seconds = min(timeout_seconds, _LONGEST_SECONDS)
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
        )
    except OSError as error:
        raise RunnerError(f"{place}: {command[0]} does not start ({error.strerror})") from error
    except subprocess.TimeoutExpired as error:
        raise RunnerError(
            f"{place}: {Path(command[0]).name} gave no answer in {timeout_seconds:.0f} s"
        ) from error
    if result.returncode and "edgemnv2 " not in result.stdout:
        lines = (result.stderr or result.stdout).strip().splitlines() or ["no message"]
        raise RunnerError(
            f"{place}: {Path(command[0]).name} ended with {result.returncode} ({lines[-1]})"
        )
    return result.stdout
