"""What an inference executes and waits for: a run in the emulator with plugins that look on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemnv2.artifact import Artifact
from edgemnv2.errors import RunnerError
from edgemnv2.runners.base import Job, Runner, RunResult, Sample, Watch
from edgemnv2.runners.block_trace import BlockTrace, Section, trace_arguments
from edgemnv2.runners.cache_model import Misses, cache_arguments, read_misses
from edgemnv2.runners.qemu_system import QemuSystemRunner
from edgemnv2.runners.qemu_user import QemuUserRunner
from edgemnv2.target import Target

__all__ = ["TracedRun", "together", "trace_run", "waiting"]


@dataclass(frozen=True, eq=False)
class TracedRun:
    """What was executed: whole inferences, then one step by step; each with its cycles of waiting
    for memory."""

    result: RunResult
    trace: BlockTrace
    inferences: tuple[Section, ...]
    inference_waits: tuple[float, ...]
    steps: tuple[Section, ...]
    step_waits: tuple[float, ...]
    has_caches: bool

    def layers(self) -> dict[int, tuple[Section, float]]:
        """The steps of each layer together."""
        found: dict[int, list[tuple[Section, float]]] = {}
        for layer, section, wait in zip(
            self.result.step_layers, self.steps, self.step_waits, strict=True
        ):
            found.setdefault(layer, []).append((section, wait))
        return {
            layer: (together(section for section, _ in parts), sum(wait for _, wait in parts))
            for layer, parts in sorted(found.items())
        }


def trace_run(artifact: Artifact, inputs: Sequence[Sample], job: Job) -> TracedRun:
    """Run under the emulator with the plugins that trace blocks and, under Linux, model caches."""
    target = artifact.target
    has_caches = not target.is_bare_metal and bool(target.cpu.l1d_bytes and target.cpu.l2_bytes)
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as name:
        folder = Path(name)
        runner = _runner(artifact, folder, has_caches)
        result = runner.run(artifact, inputs, repeat=job.repeat, trace=job.trace, layers=job.layers)
        trace = BlockTrace.read(folder)
        misses = [_all(kinds) for kinds, _ in read_misses(folder)] if has_caches else []
    # Marks come in pairs, and the first section ends at the first of them; see
    # `InstructionCounter.read_steps` for the steps.
    pairs = trace.sections[1::2][: job.repeat + len(result.step_layers)]
    if len(pairs) < job.repeat + len(result.step_layers):
        raise RunnerError(
            f"{artifact.path}: {job.repeat} inferences and {len(result.step_layers)} steps were "
            f"run, and the plugin that traces blocks saw {len(pairs)}"
        )
    waits = [waiting(target, each) for each in misses] or [0.0] * len(pairs)
    waits = waits[: len(pairs)]
    at = job.repeat
    return TracedRun(
        result, trace, pairs[:at], tuple(waits[:at]), pairs[at:], tuple(waits[at:]), has_caches
    )


def waiting(target: Target, misses: Misses) -> float:
    """Cycles of waiting for lines. A store waits for nothing, but its line passes the bus."""
    facts = target.cycles
    if facts is None:
        return 0.0
    from_l2 = max(0, misses.l1_load_misses - misses.l2_load_misses)
    lines = misses.l2 + misses.l2_written_back
    return float(from_l2 * facts.l2_cycles + lines * facts.memory_cycles)


def together(sections: Iterable[Section]) -> Section:
    """The sum of sections."""
    runs: dict[int, int] = {}
    edges: dict[tuple[int, int], int] = {}
    for section in sections:
        for block, count in section.executions.items():
            runs[block] = runs.get(block, 0) + count
        for edge, count in section.edges.items():
            edges[edge] = edges.get(edge, 0) + count
    return Section(runs, edges)


def _runner(artifact: Artifact, folder: Path, has_caches: bool) -> Runner:
    watch: list[Watch] = [lambda emulator, program: trace_arguments(emulator, program, folder)]
    if artifact.target.is_bare_metal:
        return QemuSystemRunner(emulate=True, watch=watch)
    if has_caches:
        watch.append(
            lambda emulator, program: cache_arguments(emulator, program, artifact, 1, folder)
        )
    return QemuUserRunner(watch)


def _all(kinds: Mapping[str, Misses]) -> Misses:
    """The sum over kinds of bytes."""
    fields = Misses.__dataclass_fields__
    return Misses(**{name: sum(getattr(m, name) for m in kinds.values()) for name in fields})
