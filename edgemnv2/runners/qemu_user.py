"""Linux artefacts for another instruction set, in QEMU's user-mode emulation.

The metric is executed instructions of one inference in steady state: exact, repeatable, not time.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgemnv2.artifact import Artifact
from edgemnv2.errors import RunnerError
from edgemnv2.runners.base import Job, Runner, RunResult, Sample, Watch, sum_steps
from edgemnv2.runners.bench_program import execute, run_bench_program
from edgemnv2.runners.insn_plugin import InstructionCounter, qemu_version

__all__ = ["EmulatorError", "QemuUserRunner", "find_qemu_user"]

_PROGRAMS = {
    "aarch64": "qemu-aarch64",
    "armv7a": "qemu-arm",
    "riscv64": "qemu-riscv64",
    "x86_64": "qemu-x86_64",
}
# A whole MobileNetV2 1.4/224 in float takes about 5 s on one slow core.
_SECONDS_PER_INFERENCE = 60.0


_FAULT = "decode_save_opc"
"""QEMU before 8.0 stops in it at a RISC-V `vfcvt.rtz` that is the first to set a rounding mode
(https://gitlab.com/qemu-project/qemu/-/issues/1441)."""


class EmulatorError(RunnerError):
    """The emulator stopped at a fault of its own: nothing is known of the artefact."""


def find_qemu_user(isa: str, *, counting: bool = False) -> str:
    """Path of the emulator for `isa`; RunnerError names the package.

    `counting` needs the dynamically linked one, since a static program cannot load a plugin.
    """
    program = _PROGRAMS.get(isa)
    if program is None:
        raise RunnerError(f"qemu-user: runs Linux programs, not {isa} (use runner=qemu-system)")
    names = [program] if counting else [program, f"{program}-static"]
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    raise RunnerError(f"qemu-user: {program} is not installed (apt install qemu-user)")


class QemuUserRunner(Runner):
    """Runs the artefact's static `bench` program under QEMU.

    `watch`: what else looks on while instructions are counted.
    """

    name = "qemu-user"

    def __init__(self, watch: Sequence[Watch] = ()) -> None:
        self._watch = tuple(watch)

    def _run(self, artifact: Artifact, inputs: Sequence[Sample], job: Job) -> RunResult:
        target = artifact.target
        emulator = find_qemu_user(target.cpu.isa, counting=job.measures)
        program = artifact.path.resolve() / "bench"
        timeout_seconds = 60 + _SECONDS_PER_INFERENCE * (len(inputs) + job.repeat)
        counters: list[InstructionCounter] = []

        with tempfile.TemporaryDirectory(prefix="edgemnv2-") as counts:

            def launch(arguments: Sequence[str], folder: Path) -> str:
                # QEMU's default x86 model has no AVX2.
                machine = target.machine or ("max" if target.cpu.isa == "x86_64" else "")
                command = [emulator, *(["-cpu", machine] if machine else [])]
                if job.measures:
                    counters.append(InstructionCounter.prepare(emulator, program, Path(counts)))
                    command += counters[0].arguments
                    for watch in self._watch:
                        command += watch(emulator, program)
                command += [str(program), *arguments]
                try:
                    return execute(command, folder, str(artifact.path), timeout_seconds)
                except RunnerError as error:
                    if _FAULT not in str(error):
                        raise
                    raise EmulatorError(
                        f"{artifact.path}: {Path(emulator).name} stopped at a fault of its own, "
                        "which QEMU had before 8.0 (a rounding mode set twice by one instruction); "
                        "the artefact is not to blame: take a newer QEMU or run it on a board"
                    ) from error

            result, facts = run_bench_program(artifact, inputs, launch, job, warmup=1)
            # Under emulation neither the clock nor the resident size says anything of the device.
            result = replace(
                result, metric=None, values=(), layers={}, step_values=(), peak_rss_bytes=None
            )
            if not counters:
                return result
            values, functions = counters[0].read(job.repeat)
            steps = counters[0].read_steps(job.repeat) if job.layers else ()
        core = target.machine or "its default core"
        version = ".".join(map(str, qemu_version(emulator)))
        note = f"instructions executed in QEMU {version} as {core}: exact, not time"
        return replace(
            result,
            metric="instructions",
            values=values,
            functions=functions,
            layers=sum_steps(facts, steps),
            step_values=steps,
            notes=(note,),
        )
