"""This machine: the artefact's own `bench` program; bare-metal source is built for this machine.

The metric is seconds. Bare-metal artefacts give outputs but no figures here: their portable C says
nothing about the time on another core.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.toolchain import compile_object, link_executable, plainest, system_of
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners.base import Job, Runner, RunResult, Sample
from edgemnv2.runners.bench_program import execute, run_bench_program
from edgemnv2.runners.device_state import local_state, state_notes
from edgemnv2.target import HOST, Target, load_target, missing_local_features

__all__ = ["LocalRunner", "artifact_flags", "host_target"]

RUNTIME = Path(__file__).resolve().parent.parent / "runtime"
_SECONDS_PER_INFERENCE = 10.0


def artifact_flags(artifact: Artifact) -> list[str]:
    """Compiler flags that tell the test programs in `runtime/` which artefact they serve."""
    name = artifact.name
    return [
        f"-I{artifact.path / 'include'}",
        f"-I{RUNTIME}",
        f"-DEDGEMNV2_NAME={name}",
        f"-DEDGEMNV2_UPPER={name.upper()}",
        f'-DEDGEMNV2_HEADER="{name}.h"',
    ]


class LocalRunner(Runner):
    """Runs on this machine's own processor."""

    name = "local"

    def _run(self, artifact: Artifact, inputs: Sequence[Sample], job: Job) -> RunResult:
        if artifact.target.is_bare_metal:
            if job.measures:
                raise UsageError(
                    f"{artifact.path}: code for {artifact.target.cpu.core} cannot be timed on "
                    "this machine (use runner=qemu-system, or a board)"
                )
            with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
                return _run_program(_build_for_host(artifact, Path(folder)), artifact, inputs, job)
        if platform.system() != "Linux":
            raise RunnerError(
                f"{artifact.path}: programs for {artifact.target.name} run on Linux, which this "
                "machine is not (use ssh=USER@HOST; the code of microcontrollers is C, which also "
                "runs here)"
            )
        missing = missing_local_features(artifact.target)
        if missing:
            raise RunnerError(
                f"{artifact.path}: this machine's processor cannot run code for "
                f"{artifact.target.name} (it lacks {', '.join(missing)}; use runner=qemu-user)"
            )
        before = local_state() if job.repeat else None
        result = _run_program(artifact.path.resolve() / "bench", artifact, inputs, job)
        if before is None:
            return result
        return replace(result, notes=state_notes(before, local_state()))


def _run_program(
    program: Path, artifact: Artifact, inputs: Sequence[Sample], job: Job
) -> RunResult:
    timeout_seconds = 60 + _SECONDS_PER_INFERENCE * (len(inputs) + job.repeat)

    def launch(arguments: Sequence[str], folder: Path) -> str:
        return execute([str(program), *arguments], folder, str(artifact.path), timeout_seconds)

    result, _ = run_bench_program(artifact, inputs, launch, job)
    return result


def host_target() -> Target:
    """The plainest target for programs on this machine: no features assumed."""
    host = plainest(load_target(HOST))
    system = {"Windows": "windows-gnu", "Darwin": "macos"}.get(platform.system(), "linux-gnu")
    triple = f"{host.cpu.isa}-{system}"
    return replace(host, toolchain=replace(host.toolchain, triple=triple))


def _build_for_host(artifact: Artifact, folder: Path) -> Path:
    """The artefact's C source and the bench program, compiled for this machine."""
    target = host_target()
    objects = []
    for source in [*artifact.files("src", ".c"), RUNTIME / "bench_main.c"]:
        output = folder / f"{source.stem}.o"
        compile_object(target, source, output, artifact_flags(artifact), static=True)
        objects.append(output)
    program = folder / ("bench.exe" if system_of(target) == "windows" else "bench")
    link_executable(target, objects, program)
    return program
