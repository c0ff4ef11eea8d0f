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
from edgemnv2.codegen.toolchain import compile_object, link_executable
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners.base import Array, RunResult
from edgemnv2.runners.bench_program import execute, run_bench_program
from edgemnv2.runners.device_state import local_state, state_notes
from edgemnv2.target import Target, load_target, missing_local_features

__all__ = ["LocalRunner", "artifact_flags"]

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


class LocalRunner:
    """Runs on this machine's own processor."""

    name = "local"

    def run(
        self,
        artifact: Artifact,
        inputs: Sequence[Array],
        *,
        repeat: int = 0,
        trace: bool = False,
        threads: int = 1,
        rows: bool = False,
        layers: bool = False,
    ) -> RunResult:
        """See `Runner.run`."""
        check_threads(artifact, threads)
        if artifact.target.is_bare_metal:
            if repeat or layers:
                raise UsageError(
                    f"{artifact.path}: code for {artifact.target.cpu.core} cannot be timed on "
                    "this machine (use --runner qemu-system, or a board)"
                )
            with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
                program = _build_for_host(artifact, Path(folder))
                return self._run(program, artifact, inputs, trace=trace, rows=rows)
        missing = missing_local_features(artifact.target)
        if missing:
            raise RunnerError(
                f"{artifact.path}: this machine's processor cannot run code for "
                f"{artifact.target.name} (it lacks {', '.join(missing)}; use --runner qemu-user)"
            )
        program = artifact.path.resolve() / "bench"
        before = local_state() if repeat else None
        result = self._run(
            program,
            artifact,
            inputs,
            repeat=repeat,
            trace=trace,
            rows=rows,
            layers=layers,
            threads=threads,
        )
        if before is None:
            return result
        return replace(result, notes=state_notes(before, local_state()))

    def _run(
        self,
        program: Path,
        artifact: Artifact,
        inputs: Sequence[Array],
        *,
        repeat: int = 0,
        trace: bool,
        rows: bool,
        layers: bool = False,
        threads: int = 1,
    ) -> RunResult:
        timeout_seconds = 60 + _SECONDS_PER_INFERENCE * (len(inputs) + repeat)

        def launch(arguments: Sequence[str], folder: Path) -> str:
            command = [str(program), *arguments]
            return execute(command, folder, str(artifact.path), timeout_seconds)

        result, _ = run_bench_program(
            artifact,
            inputs,
            launch,
            repeat=repeat,
            trace=trace,
            rows=rows,
            layers=layers,
            threads=threads,
        )
        return result


def check_threads(artifact: Artifact, threads: int) -> None:
    """UsageError for a number of threads that the artefact has no plan for."""
    planned = [int(count) for count in artifact.manifest.get("threads", [1])]
    if threads not in planned:
        counts = ", ".join(map(str, planned))
        remedy = "" if artifact.target.is_bare_metal else f" (compile --threads {threads})"
        raise UsageError(
            f"--threads {threads}: {artifact.path} has plans for {counts}, not for "
            f"{threads}{remedy}"
        )


def host_target() -> Target:
    """The plainest target for programs on this machine: no features assumed."""
    host = load_target("host" if platform.machine() in ("x86_64", "AMD64") else "cortex-a53")
    plain = {"x86_64": "x86-64", "aarch64": "generic"}[host.cpu.isa]
    return replace(host, toolchain=replace(host.toolchain, mcpu=plain))


def _build_for_host(artifact: Artifact, folder: Path) -> Path:
    """The artefact's C source and the bench program, compiled for this machine."""
    target = host_target()
    objects = []
    for source in [*artifact.files("src", ".c"), RUNTIME / "bench_main.c"]:
        output = folder / f"{source.stem}.o"
        compile_object(target, source, output, artifact_flags(artifact), static=True)
        objects.append(output)
    program = folder / "bench"
    link_executable(target, objects, program)
    return program
