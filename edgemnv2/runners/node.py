"""Artefacts for the web, in Node.js, whose engine (V8) is that of Chrome.

The metric is seconds: what a page in such a browser takes on this machine's processor.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgemnv2.artifact import Artifact
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners.base import Job, Runner, RunResult, Sample
from edgemnv2.runners.bench_program import execute, run_bench_program
from edgemnv2.runners.device_state import local_state, state_notes
from edgemnv2.target import Target

__all__ = ["NodeRunner", "find_node", "node_command"]

LAUNCHER = Path(__file__).resolve().parent.parent / "runtime" / "node_bench.mjs"
RELAXED_SINCE = 21
"""The first Node.js that has relaxed SIMD without being asked for it."""
# Code without SIMD of the largest network takes a few seconds.
_SECONDS_PER_INFERENCE = 20.0
WARMUP = 20
"""Inferences before any is measured: V8 compiles a function again when it has run for a while."""


def find_node() -> str:
    """Path of Node.js; RunnerError names the package."""
    path = shutil.which("node")
    if path is None:
        raise RunnerError("node: Node.js is not installed (apt install nodejs)")
    return path


def node_command(target: Target) -> list[str]:
    """How a program for `target` is started, but for its name; RunnerError as `find_node`."""
    node = find_node()
    # Node calls WASI an experiment, on standard error.
    command = [node, "--no-warnings"]
    if target.has("relaxed-simd"):
        said = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
        major = re.match(r"v(\d+)", said)
        if major and int(major[1]) < RELAXED_SINCE:
            command.append("--experimental-wasm-relaxed-simd")
    return [*command, str(LAUNCHER)]


class NodeRunner(Runner):
    """Runs the artefact's `bench.wasm` in Node.js."""

    name = "node"

    def _run(self, artifact: Artifact, inputs: Sequence[Sample], job: Job) -> RunResult:
        if not artifact.target.is_web:
            raise UsageError(
                f"runner=node: runs WebAssembly, and {artifact.path} is for {artifact.target.name} "
                f"(leave it out, or compile for wasm)"
            )
        if job.threads != 1:
            raise UsageError(
                f"runner=node: runs one thread, not threads={job.threads}, which are a page's "
                "(leave it out)"
            )
        start = node_command(artifact.target)
        program = str(artifact.path.resolve() / "bench.wasm")
        timeout_seconds = 60 + _SECONDS_PER_INFERENCE * (len(inputs) + job.inferences)

        def launch(arguments: Sequence[str], folder: Path) -> str:
            command = [*start, program, *arguments]
            return execute(command, folder, str(artifact.path), timeout_seconds)

        before = local_state() if job.repeat else None
        result, _ = run_bench_program(artifact, inputs, launch, job, warmup=WARMUP)
        if before is None:
            return result
        return replace(result, notes=state_notes(before, local_state()))
