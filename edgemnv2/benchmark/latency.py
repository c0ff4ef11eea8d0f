"""How long an inference takes, or how many instructions: warmed up, repeated, with its doubts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgemnv2.artifact import Artifact
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.manifest import LongestStep
from edgemnv2.runners.base import Array, Runner, RunResult
from edgemnv2.samples.images import seeded_generator

__all__ = ["BenchResult", "LayerFigure", "bench", "longest_step", "random_sample"]

# Enough for a 95th percentile that means something; a count is exact, so one will do.
DEFAULT_REPEAT = {"seconds": 50, "instructions": 1}


@dataclass(frozen=True)
class LayerFigure:
    """One layer's part of one inference, in the result's metric.

    `fuses` names the layers whose work its kernel does as well; `macs` are those of all of them.
    """

    name: str
    op: str
    macs: int
    value: float
    share: float
    fuses: tuple[str, ...] = ()


@dataclass(frozen=True)
class BenchResult:
    """One artefact measured on one runner: figures of one inference in steady state.

    `metric` is "seconds", "instructions" or "cycles"; `samples` counts the inferences measured.
    `layers` and `functions` are empty unless asked for or known.
    """

    metric: str
    median: float
    p95: float
    minimum: float
    samples: int
    threads: int
    runner: str
    target: str
    artifact: str
    macs: int
    arena_bytes: int
    constants_bytes: int
    code_bytes: int
    """0 where no compiler was installed to tell."""
    stack_bytes: int | None
    peak_rss_bytes: int | None
    layers: tuple[LayerFigure, ...]
    functions: dict[str, int]
    notes: tuple[str, ...]
    longest_step: LongestStep | None = None
    """Where layers were asked for and instructions counted."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def bench(
    artifact: Artifact,
    runner: Runner,
    *,
    repeat: int | None = None,
    threads: int = 1,
    per_layer: bool = False,
    seed: int = 0,
) -> BenchResult:
    """Measure `artifact` on `runner` with one seeded random input.

    `repeat` defaults to 50 where time is measured and to 1 where instructions are counted.
    Raises UsageError for a repeat below 1, RunnerError when the runner cannot measure.
    """
    if repeat is not None and repeat < 1:
        raise UsageError(f"repeat={repeat}: expected at least 1")
    count = repeat or DEFAULT_REPEAT["instructions" if counts_steps(runner) else "seconds"]
    sample = random_sample(artifact, seed)
    result = runner.run(artifact, [sample], repeat=count, threads=threads, layers=per_layer)
    if result.metric is None or len(result.values) != count:
        raise RunnerError(
            f"{runner.name}: measured {len(result.values)} inferences (expected {count})"
        )
    values = np.array(result.values)
    return BenchResult(
        metric=result.metric,
        median=float(np.median(values)),
        p95=float(np.percentile(values, 95, method="higher")),
        minimum=float(values.min()),
        samples=count,
        threads=threads,
        runner=runner.name,
        target=artifact.target.name,
        artifact=artifact.name,
        macs=artifact.manifest.macs,
        arena_bytes=artifact.arena_bytes,
        constants_bytes=artifact.manifest.constants_bytes,
        code_bytes=artifact.manifest.code_bytes,
        stack_bytes=result.stack_bytes,
        peak_rss_bytes=result.peak_rss_bytes,
        layers=_layer_figures(artifact, result),
        functions=dict(result.functions),
        notes=result.notes,
        longest_step=longest_step(artifact, result),
    )


def counts_steps(runner: Runner) -> bool:
    """Whether `runner` counts the instructions of each step; others take the time of inferences."""
    return runner.name.startswith("qemu")


def longest_step(artifact: Artifact, result: RunResult) -> LongestStep | None:
    """Of an inference that was counted step by step; None where none was."""
    if result.metric != "instructions" or not result.step_values:
        return None
    value, layer = max(zip(result.step_values, result.step_layers, strict=True))
    return LongestStep(artifact.manifest.layers[layer].name, int(value))


def random_sample(artifact: Artifact, seed: int) -> dict[str, Array]:
    """One sample over the whole range of its types, `[1, H, W, C]` each; floats standard normal."""
    random = seeded_generator(seed)
    found: dict[str, Array] = {}
    for tensor in artifact.inputs:
        shape, dtype = (1, *tensor.nhwc), np.dtype(tensor.dtype)
        if np.issubdtype(dtype, np.integer):
            limits = np.iinfo(dtype)
            values = random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
        else:
            values = random.standard_normal(shape).astype(dtype)
        found[tensor.name] = values
    return found


def _layer_figures(artifact: Artifact, result: RunResult) -> tuple[LayerFigure, ...]:
    """The measured layers, in order. A fused layer's work is in the layer that it runs with."""
    total = sum(result.layers.values()) or 1.0
    described = artifact.manifest.layers
    macs = {layer.name: layer.macs for layer in described}
    fused = {kernel.name: kernel.fuses for kernel in artifact.manifest.kernels}
    figures = []
    for index, value in result.layers.items():
        name = described[index].name
        others = tuple(x for x in fused.get(name, ()) if x != name)
        figures.append(
            LayerFigure(
                name=name,
                op=described[index].op,
                macs=macs[name] + sum(macs[other] for other in others),
                value=value,
                share=value / total,
                fuses=others,
            )
        )
    return tuple(figures)
