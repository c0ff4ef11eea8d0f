"""A runner whose figures are estimated cycles: what `tune --metric cycles` measures with.

It runs under the emulator like the others, outputs and all; see `benchmark/cycles.py` for what its
figures are. One model of the core serves all runs, and it simulates no run of instructions twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.core_model import CoreModel
from edgemnv2.benchmark.cycles import PathCosts
from edgemnv2.benchmark.traced_run import together, trace_run
from edgemnv2.errors import UsageError
from edgemnv2.runners.base import Job, Runner, RunResult, Sample
from edgemnv2.runners.qemu_system import QemuSystemRunner
from edgemnv2.runners.qemu_user import QemuUserRunner
from edgemnv2.target import Target

__all__ = ["CycleRunner"]


class CycleRunner(Runner):
    """Runs code of `target`; raises UsageError where its core has no model."""

    name = "cycles"

    def __init__(self, target: Target) -> None:
        self._model = CoreModel.of(target)
        self._plain: Runner = (
            QemuSystemRunner(emulate=True) if target.is_bare_metal else QemuUserRunner()
        )

    def _run(self, artifact: Artifact, inputs: Sequence[Sample], job: Job) -> RunResult:
        if job.threads > 1:
            raise UsageError(
                f"threads={job.threads}: cycles are estimated of one thread (tune seconds on a "
                "board for several)"
            )
        if not job.measures:
            return self._plain.run(artifact, inputs, trace=job.trace, rows=job.rows)
        run = trace_run(artifact, inputs, job)
        executed = together([*run.inferences, *run.steps])
        costs = PathCosts.of(run.trace, executed, self._model)
        values = (
            costs.figure(section, wait).cycles
            for section, wait in zip(run.inferences, run.inference_waits, strict=True)
        )
        layers = {
            layer: costs.figure(section, wait).cycles
            for layer, (section, wait) in run.layers().items()
        }
        return RunResult(
            run.result.results,
            metric="cycles",
            values=tuple(values),
            trace=run.result.trace,
            stack_bytes=run.result.stack_bytes,
            layers=layers,
            step_layers=run.result.step_layers,
            notes=(f"estimated: {self._model.core} in LLVM {self._model.tools.version}",),
        )
