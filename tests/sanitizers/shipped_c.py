"""The C that ships with artefacts, built for this machine: strictly, or under sanitizers."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgemnv2.artifact import Artifact
from edgemnv2.runners.base import Job, Runner, RunResult, Sample
from edgemnv2.runners.bench_program import execute, run_bench_program
from edgemnv2.runners.local import artifact_flags

__all__ = ["RUNTIME", "SANITIZED", "STRICT", "SanitizedRunner", "flags_of", "sources_of"]

RUNTIME = Path(__file__).resolve().parents[2] / "edgemnv2" / "runtime"
STRICT = (
    "-std=c99",
    "-pedantic",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wshadow",
    "-Wundef",
    "-Werror",
)
SANITIZED = (
    "-std=c99",
    "-O1",
    "-g",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
)
SECONDS = 300


def sources_of(artifact: Artifact) -> list[Path]:
    """The C files of a bare-metal artefact."""
    return list(artifact.files("src", ".c"))


def flags_of(artifact: Artifact) -> list[str]:
    """What every program around the artefact is compiled with; and how the serial one is."""
    return [*artifact_flags(artifact), "-DEDGEMNV2_UART_BASE=0x40004000", '-DEDGEMNV2_MODEL="0"']


class SanitizedRunner(Runner):
    """The plain C of a bare-metal artefact and `bench`, on this machine, under ASan and UBSan."""

    name = "sanitized"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _run(self, artifact: Artifact, inputs: Sequence[Sample], job: Job) -> RunResult:
        program = self.folder / f"{artifact.name}-sanitized"
        command = ["gcc", *SANITIZED, *flags_of(artifact), *map(str, sources_of(artifact))]
        command += [str(RUNTIME / "bench_main.c"), "-lm", "-o", str(program)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]

        def launch(arguments: Sequence[str], folder: Path) -> str:
            return execute([str(program), *arguments], folder, str(artifact.path), SECONDS)

        return run_bench_program(artifact, inputs, launch, job)[0]
