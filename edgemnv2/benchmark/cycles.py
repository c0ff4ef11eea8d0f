"""Cycles of one inference, estimated without a board: executed paths, a model of the core, misses.

    cycles = executions of each hot path x its steady-state cycles in llvm-mca
           + lines that L1 misses and L2 has x the L2's latency
           + lines between L2 and memory x what one of many in a row takes

The first part leaves out branch misses and what is not yet fetched, the others assume that a core
waits for each line: so it is an estimate, and always called so. The command
`python -m edgemnv2.lab.results cycles-a` puts it beside published times.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.against import largest_difference, real_values
from edgemnv2.benchmark.core_model import DEPENDENCY, CoreModel
from edgemnv2.benchmark.emulated_peers import check_emulated, trace_peer
from edgemnv2.benchmark.engines.table import choose_models, write_model
from edgemnv2.benchmark.hot_paths import hot_paths
from edgemnv2.benchmark.latency import random_sample
from edgemnv2.benchmark.traced_run import trace_run, waiting
from edgemnv2.errors import RunnerError
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.runners.base import Array, Job
from edgemnv2.runners.block_trace import BlockTrace, Section
from edgemnv2.target import Target

__all__ = [
    "MEMORY",
    "CycleEstimate",
    "CycleFigure",
    "LayerCycles",
    "PathCosts",
    "PeerCycles",
    "estimate_cycles",
]

MEMORY = "memory"
_HEAD = f"{'cycles':>10} {'pipeline':>10} {'bound':>10} {'memory':>10} {'instr':>10}  limit"
# The first inference fills the caches; of the second, and then step by step, figures are taken.
_REPEAT = 2


@dataclass(frozen=True)
class CycleFigure:
    """Of one inference or one layer: `pipeline` cycles of the core, `bound` if order did not matter
    to it, `memory` cycles of waiting; `limit` is what most of them are spent on."""

    instructions: int
    pipeline: float
    bound: float
    memory: float
    limit: str

    @property
    def cycles(self) -> float:
        """The estimate."""
        return self.pipeline + self.memory

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"cycles": self.cycles, **asdict(self)}

    def text(self, unit: float) -> str:
        """The columns of `_HEAD`."""
        values = (self.cycles, self.pipeline, self.bound, self.memory, self.instructions)
        return " ".join(f"{value / unit:10.2f}" for value in values) + f"  {self.limit}"


@dataclass(frozen=True)
class LayerCycles:
    """One layer's part. A fused layer's work is in the layer that it runs with."""

    name: str
    op: str
    macs: int
    figure: CycleFigure

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"name": self.name, "op": self.op, "macs": self.macs, **self.figure.to_dict()}


@dataclass(frozen=True)
class PeerCycles:
    """Another engine under the same model.

    `max_abs_error`: of its outputs against ours, real values; None where they are no equal number.
    """

    version: str
    figure: CycleFigure
    max_abs_error: float | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        facts = {"version": self.version, "max_abs_error": self.max_abs_error}
        return {**facts, **self.figure.to_dict()}


@dataclass(frozen=True)
class CycleEstimate:
    """One artefact's inference in steady state, one thread; `model` says what LLVM was asked."""

    target: str
    model: str
    total: CycleFigure
    layers: tuple[LayerCycles, ...]
    against: Mapping[str, PeerCycles]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "metric": "cycles",
            "is_estimate": True,
            "target": self.target,
            "model": self.model,
            **self.total.to_dict(),
            "layers": [layer.to_dict() for layer in self.layers],
            "against": {name: peer.to_dict() for name, peer in self.against.items()},
            "notes": list(self.notes),
        }

    def text(self, per_layer: bool = False) -> str:
        """A table of the total, the peers and the layers, in millions or thousands of cycles."""
        lines = [f"target     {self.target}, core {self.model}, threads 1"]
        lines += [f"note       {note}" for note in self.notes]
        name = f"{'M cycles, estimated':24}"
        lines += ["", f"{name} {_HEAD}", f"{'edgemnv2':24} {self.total.text(1e6)}"]
        for peer, theirs in self.against.items():
            ratio = self.total.cycles / theirs.figure.cycles
            name = f"{peer} {theirs.version}"
            wrong = theirs.max_abs_error
            difference = "other shape" if wrong is None else f"max |difference| {wrong:.2e}"
            said = f"ours / theirs {ratio:.3f}, {difference}"
            lines.append(f"{name:24} {theirs.figure.text(1e6)}, {said}")
        if per_layer and self.layers:
            width = max(len("k cycles, estimated"), *(len(layer.name) for layer in self.layers))
            lines += ["", f"{'k cycles, estimated':{width}} {_HEAD}"]
            lines += [f"{each.name:{width}} {each.figure.text(1e3)}" for each in self.layers]
        return "\n".join(lines)


@dataclass(frozen=True)
class BlockCost:
    """Of one execution of one block."""

    pipeline: float
    bound: float
    limit: str


@dataclass(frozen=True)
class PathCosts:
    """What blocks cost: those on hot paths by the model, the rest as these on average.

    `skipped` is the part of executed instructions that LLVM does not know.
    """

    blocks: Mapping[int, BlockCost]
    lengths: Sequence[int]
    per_instruction: BlockCost
    skipped: float

    @classmethod
    def of(cls, trace: BlockTrace, section: Section, model: CoreModel) -> PathCosts:
        """Of what ran in `section`."""
        lengths = [block.instructions for block in trace.blocks]
        paths = hot_paths(section, lengths)
        parts = [block for path in paths for block in path]
        codes = model.disassemble([trace.blocks[block].code for block in parts])
        texts = dict(zip(parts, codes, strict=True))
        runs = [[text for block in path for text in texts[block]] for path in paths]
        costs: dict[int, BlockCost] = {}
        known = cycles = bound = unknown = 0.0
        for path, steady in zip(paths, model.steady(runs), strict=True):
            executed = sum(section.executions[block] * lengths[block] for block in path)
            if steady is None:
                unknown += executed
                continue
            length = sum(lengths[block] for block in path)
            read = (
                length - steady.skipped - sum(lengths[block] - len(texts[block]) for block in path)
            )
            unknown += executed * (1 - read / length)
            for block in path:
                share = lengths[block] / length
                costs[block] = BlockCost(steady.cycles * share, steady.bound * share, steady.limit)
            known += executed
            cycles += executed * steady.cycles / length
            bound += executed * steady.bound / length
        if not known:
            raise RunnerError(
                f"cycles: LLVM's model of {model.core} knows nothing of what was executed "
                "(is cycles.core of the target file the core that runs it?)"
            )
        average = BlockCost(cycles / known, bound / known, DEPENDENCY)
        return cls(costs, lengths, average, unknown / _instructions(section, lengths))

    def figure(self, section: Section, memory: float) -> CycleFigure:
        """What `section` costs, with so many cycles of waiting for memory."""
        pipeline = bound = 0.0
        spent: dict[str, float] = {MEMORY: memory}
        for block, count in sorted(section.executions.items()):
            cost = self.blocks.get(block)
            if cost is None:
                length = self.lengths[block]
                each = self.per_instruction
                cost = BlockCost(each.pipeline * length, each.bound * length, each.limit)
            pipeline += count * cost.pipeline
            bound += count * cost.bound
            spent[cost.limit] = spent.get(cost.limit, 0.0) + count * cost.pipeline
        limit = max(sorted(spent), key=lambda name: spent[name])
        return CycleFigure(_instructions(section, self.lengths), pipeline, bound, memory, limit)


def estimate_cycles(
    artifact: Artifact,
    peers: Sequence[str] = (),
    models: Sequence[Path] = (),
    *,
    seed: int = 0,
    core: str = "",
) -> CycleEstimate:
    """The cycles of one random input on one thread, and those of other engines.

    `peers` are some of "litert", "onnxruntime", "ncnn", with one of `models` or the artefact's own
    network in their format. `core` overrides the target's, in LLVM's words. Raises UsageError for a
    target whose core has no model or for which no engine runs here, RunnerError without QEMU, LLVM
    or the engine's package.
    """
    target = artifact.target
    model = CoreModel.of(target, core)
    chosen = choose_models(peers, models)
    if peers:
        check_emulated(target, peers)
    sample = random_sample(artifact, seed)
    run = trace_run(artifact, [sample], Job(repeat=_REPEAT, layers=True))
    costs = PathCosts.of(run.trace, run.inferences[-1], model)
    described = artifact.manifest.layers
    stored = run.result.results[0]
    values = [real_values(stored[x.name], x) for x in artifact.outputs]
    return CycleEstimate(
        target=target.name,
        model=f"{model.core} in LLVM {model.tools.version}",
        total=costs.figure(run.inferences[-1], run.inference_waits[-1]),
        layers=tuple(
            LayerCycles(
                described[layer].name,
                described[layer].op,
                described[layer].macs,
                costs.figure(section, wait),
            )
            for layer, (section, wait) in run.layers().items()
        ),
        against={
            name: _peer(artifact, name, path, sample, values, model)
            for name, path in chosen.items()
        },
        notes=_notes(target, costs, run.has_caches),
    )


def _peer(
    artifact: Artifact,
    name: str,
    path: Path | None,
    sample: Mapping[str, Array],
    ours: Sequence[Array],
    model: CoreModel,
) -> PeerCycles:
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
        file = path or write_model(name, load_graph(artifact.path / REFERENCE_FOLDER), Path(folder))
        run = trace_peer(artifact, name, file, sample)
    assert run.misses is not None
    costs = PathCosts.of(run.trace, run.inference, model)
    wait = waiting(artifact.target, run.misses)
    error = largest_difference(ours, run.outputs)
    return PeerCycles(run.version, costs.figure(run.inference, wait), error)


def _instructions(section: Section, lengths: Sequence[int]) -> int:
    return sum(lengths[block] * count for block, count in section.executions.items())


def _notes(target: Target, costs: PathCosts, has_caches: bool) -> tuple[str, ...]:
    notes = ["an estimate: no branch misses, and instructions always arrive in time"]
    facts = target.cycles
    if not has_caches:
        notes.append("memory without caches and wait states")
    elif facts is None or not facts.memory_cycles:
        notes.append(f"memory left out: the file of {target.name} has no cycles.memory_cycles")
    if costs.skipped > 0.001:
        notes.append(f"{costs.skipped:.1%} of the instructions are unknown to LLVM's model")
    return tuple(notes)
