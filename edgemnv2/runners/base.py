"""What every runner takes and gives: one protocol for this machine, emulators and boards."""

from __future__ import annotations

import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgemnv2.artifact import Artifact
from edgemnv2.errors import InputError, RunnerError, UsageError

__all__ = [
    "Array",
    "BoardLost",
    "Facts",
    "Job",
    "RunResult",
    "Runner",
    "Sample",
    "TraceRow",
    "TrackerLost",
    "Watch",
    "check_threads",
    "on_one_board",
    "pack_inputs",
    "parse_facts",
    "parse_trace",
    "sum_steps",
    "unpack_outputs",
]

Array = NDArray[Any]
Sample = Array | Mapping[str, Array]
"""All inputs of one inference."""
Watch = Callable[[str, Path], Sequence[str]]
"""More arguments of QEMU, which is this program and is to run that one: a plugin that looks on."""
_T = TypeVar("_T")
_ATTEMPTS = 4
ERROR_PROCESSOR = "-8"
"""`<NAME>_ERROR_PROCESSOR` of the C interface."""


@dataclass(frozen=True)
class TraceRow:
    """One row as the device made it: `data` is the row of graph layer `layer`, raw."""

    sample: int
    layer: int
    row: int
    data: bytes


@dataclass(frozen=True, eq=False)
class RunResult:
    """What one `Runner.run` brought back.

    `results` has the outputs of each sample, `[1, H, W, C]` by the source's names. `values` has one
    figure per repeat, in `metric` ("seconds", "instructions" or "cycles"; None where nothing was
    measured): one inference, steady state. `functions` splits an instruction count by function,
    `layers` one more inference by graph layer, and `step_layers` has the layer of each of its steps
    in the order in which they ran, `step_values` what each took, in `metric`. `stack_bytes` is what
    one inference used, None where that cannot be measured; `peak_rss_bytes` likewise, on Linux.
    """

    results: tuple[Mapping[str, Array], ...]
    metric: str | None = None
    values: tuple[float, ...] = ()
    trace: tuple[TraceRow, ...] = ()
    stack_bytes: int | None = None
    peak_rss_bytes: int | None = None
    functions: Mapping[str, int] = field(default_factory=dict)
    layers: Mapping[int, float] = field(default_factory=dict)
    step_layers: tuple[int, ...] = ()
    step_values: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[Array, ...]:
        """The only output of each sample; ValueError where there are several."""
        return tuple(one for result in self.results for (one,) in [result.values()])


@dataclass(frozen=True)
class Job:
    """What one run is to do, as `Runner.run` describes it."""

    repeat: int = 0
    trace: bool = False
    threads: int = 1
    rows: bool = False
    layers: bool = False
    budget: int = 0

    @property
    def measures(self) -> bool:
        """Whether there will be figures."""
        return self.repeat > 0 or self.layers

    @property
    def inferences(self) -> int:
        """How many there will be, warm-up aside, besides one for each input."""
        return self.repeat + int(self.layers)


class Runner(ABC):
    """A place where artefacts run.

    `lost` names the boards that went away in the course of it, and how; the runs went on on others.
    """

    name: str
    lost: tuple[str, ...] = ()

    def run(
        self,
        artifact: Artifact,
        inputs: Sequence[Sample],
        *,
        repeat: int = 0,
        trace: bool = False,
        threads: int = 1,
        rows: bool = False,
        layers: bool = False,
        budget: int = 0,
    ) -> RunResult:
        """Run every sample of `inputs` once.

        A sample has an array for each input by the source's names, `[H, W, C]` or `[1, H, W, C]`
        in the stored dtype; where there is one input, it may be that array alone.
        `repeat` more inferences of the first sample are measured, after a warm-up; `trace` records
        every row of every layer; `rows` feeds the samples row by row (`<name>_run_rows`; neither
        measured nor traced); `layers` measures one more inference step by step; `budget` above
        0 runs samples and repeats in pieces of so many steps (`<name>_step`). Traces, fed rows,
        pieces and steps always run on one thread, all else on `threads`. Raises InputError for a
        wrong shape or dtype, UsageError for what this runner cannot do, RunnerError when the
        device or emulator is missing, crashes, or the code breaks its arena.
        """
        check_threads(artifact, threads)
        return self._run(artifact, inputs, Job(repeat, trace, threads, rows, layers, budget))

    @abstractmethod
    def _run(self, artifact: Artifact, inputs: Sequence[Sample], job: Job) -> RunResult:
        """What `run` gives, by a runner of one kind."""


def check_threads(artifact: Artifact, threads: int) -> None:
    """UsageError for a number of threads that the artefact has no plan for."""
    if threads < 1:
        raise UsageError(f"threads={threads}: expected at least 1")
    planned = artifact.manifest.threads
    if threads not in planned:
        counts = ", ".join(map(str, planned))
        target = artifact.target
        able = not target.is_bare_metal or target.cpu.cores > 1
        remedy = f" (compile threads={threads})" if able else ""
        raise UsageError(
            f"threads={threads}: {artifact.path} has plans for {counts}, not for {threads}{remedy}"
        )


class TrackerLost(RunnerError):  # noqa: N818 - named for the fact, as the message is
    """The tracker of a farm does not answer; nothing that was to run there is to blame."""


class BoardLost(RunnerError):  # noqa: N818 - named for the fact, as the message is
    """A board went away, so that what had been measured on it stands alone, or all of them did."""


@runtime_checkable
class _Farm(Protocol):
    """A runner that may take another board for every run."""

    def hold(self) -> AbstractContextManager[None]:
        """Inside, every run is on one board; raises BoardLost where that cannot be kept."""
        ...


def on_one_board(runner: Runner, work: Callable[[], _T]) -> _T:
    """What `work` returns, all whose runs were on the same board: times can be compared.

    When the board is lost, everything is done again on another one, up to three times; then
    BoardLost.
    """
    if not isinstance(runner, _Farm):
        return work()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with runner.hold():
                return work()
        except BoardLost:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def pack_inputs(artifact: Artifact, inputs: Sequence[Sample]) -> bytes:
    """All samples, raw, one after another, checked against the artefact's inputs."""
    packed = []
    for index, sample in enumerate(inputs):
        for tensor, array in zip(artifact.inputs, _arrays(artifact, sample, index), strict=True):
            if tuple(array.shape) not in (tensor.nhwc, (1, *tensor.nhwc)):
                raise InputError(
                    f"sample {index}: shape {list(array.shape)}, but input {tensor.name!r} takes "
                    f"{[1, *tensor.nhwc]} (NHWC)"
                )
            if array.dtype != np.dtype(tensor.dtype):
                raise InputError(
                    f"sample {index}: dtype {array.dtype}, but input {tensor.name!r} takes "
                    f"{np.dtype(tensor.dtype)}"
                )
            packed.append(np.ascontiguousarray(array).tobytes())
    return b"".join(packed)


def _arrays(artifact: Artifact, sample: Sample, index: int) -> list[Array]:
    """The arrays of a sample in the order of the artefact's inputs."""
    names = [tensor.name for tensor in artifact.inputs]
    if isinstance(sample, np.ndarray):
        if len(names) != 1:
            raise InputError(
                f"sample {index}: one array, but {artifact.name} has {len(names)} inputs "
                f"(expected {', '.join(map(repr, names))})"
            )
        return [sample]
    for name in names:
        if name not in sample:
            found = ", ".join(map(repr, sample)) or "nothing"
            raise InputError(f"sample {index}: no input {name!r} (found {found})")
    return [sample[name] for name in names]


def unpack_outputs(
    artifact: Artifact, data: bytes, samples: int
) -> tuple[Mapping[str, Array], ...]:
    """The outputs of `samples` samples, `[1, H, W, C]` by name, out of what the device wrote."""
    sizes = [math.prod(x.nhwc) * np.dtype(x.dtype).itemsize for x in artifact.outputs]
    size = sum(sizes)
    if len(data) != size * samples:
        raise RunnerError(
            f"{artifact.path}: the program wrote {len(data)} output bytes "
            f"(expected {samples} samples of {size})"
        )
    results = []
    for index in range(samples):
        at, found = index * size, {}
        for tensor, length in zip(artifact.outputs, sizes, strict=True):
            flat = np.frombuffer(data[at : at + length], tensor.dtype)
            found[tensor.name] = flat.reshape(1, *tensor.nhwc).copy()
            at += length
        results.append(found)
    return tuple(results)


def parse_trace(data: bytes) -> tuple[TraceRow, ...]:
    """Rows out of a trace file: int32 sample, layer, row, bytes, little endian; then the data."""
    rows = []
    at = 0
    while at < len(data):
        if at + 16 > len(data):
            raise RunnerError(f"trace: ends inside a record, at byte {at}")
        sample, layer, row, size = struct.unpack_from("<4i", data, at)
        at += 16
        if size < 0 or at + size > len(data):
            raise RunnerError(f"trace: layer {layer}, row {row} has {size} bytes, more than follow")
        rows.append(TraceRow(sample, layer, row, data[at : at + size]))
        at += size
    return tuple(rows)


def sum_steps(facts: Facts, steps: Sequence[float]) -> dict[int, float]:
    """Figures of single steps summed by graph layer; the facts hold each step's layer."""
    layers = facts.step_layers()
    if len(layers) != len(steps):
        raise RunnerError(f"{len(steps)} steps were measured, but {len(layers)} reported")
    sums: dict[int, float] = {}
    for layer, value in zip(layers, steps, strict=True):
        sums[layer] = sums.get(layer, 0.0) + value
    return dict(sorted(sums.items()))


@dataclass(frozen=True)
class Facts:
    """The lines `edgemnv2 KEY VALUE` that a test program printed."""

    values: Mapping[str, tuple[str, ...]]

    def step_layers(self) -> tuple[int, ...]:
        """The layer of each step of the inference that was measured step by step."""
        return tuple(int(word) for word in self.values.get("step_layer", ()))

    def integer(self, key: str) -> int | None:
        """The last value of `key` as an integer, None if it was not printed."""
        found = self.values.get(key)
        return int(found[-1]) if found else None


def parse_facts(text: str, place: str) -> Facts:
    """The facts in a program's output; RunnerError if the program did not reach its end."""
    values: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "edgemnv2":
            values[words[1]] = (*values.get(words[1], ()), words[2])
    if "fence" in values:
        raise RunnerError(f"{place}: the code wrote outside its arena (a bug of ours: report it)")
    if "status" in values:
        status = values["status"][-1]
        said = " (the processor lacks what the code needs)" if status == ERROR_PROCESSOR else ""
        raise RunnerError(f"{place}: the code answered status {status}{said}")
    if "fault" in values:
        cfsr = int(values["fault"][-1]) & 0xFFFFFFFF
        raise RunnerError(f"{place}: the core faulted (CFSR = {cfsr:#010x})")
    if "error" in values:
        raise RunnerError(f"{place}: the test program could not use {values['error'][-1]}")
    if "done" not in values:
        last = text.strip().splitlines()[-1:] or ["no output"]
        raise RunnerError(f"{place}: the test program did not finish ({last[0]})")
    return Facts(values)
