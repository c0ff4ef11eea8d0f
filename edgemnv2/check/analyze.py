"""What a network needs and where it fits: answered from its plan, without generating code.

The plan of one target is exact, as `compile` makes it. Boards whose kernels need other scratch or
rows are planned in haste (`exact` false: `compile` may find a little less); boards with
an operating system are compared with layer-by-layer execution, which is more than they will need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgemnv2.check.built_in_sizes import kernel_set, largest_built_in
from edgemnv2.codegen.places import places
from edgemnv2.meaning.infer import task_of
from edgemnv2.memory.live import live_bytes_per_step, live_rows
from edgemnv2.memory.planner import Planned
from edgemnv2.memory.report import peak_tensors, plan_record, step_name
from edgemnv2.memory.variants import arena_align, plan_quickly
from edgemnv2.ops.graph import Graph
from edgemnv2.passes.split_phases import split_phases
from edgemnv2.pipeline import (
    CompileOptions,
    Scheduled,
    plan_network,
    plan_scheduled,
    schedule_network,
)
from edgemnv2.program import FEED
from edgemnv2.samples.images import image_input
from edgemnv2.samples.pixels import Pixels, wanted_pixels
from edgemnv2.schedules import Schedule
from edgemnv2.target import Target, load_target, target_names
from edgemnv2.task import Task

__all__ = [
    "Analysis",
    "EndFacts",
    "Fit",
    "LayerFacts",
    "analyze",
    "layer_by_layer_bytes",
    "placed_in",
]

INTEGER_TARGET, FLOAT_TARGET = "mps2-an500", "rpi4"
"""Whose plan is shown where the user names no target."""


@dataclass(frozen=True)
class LayerFacts:
    """One layer; `live_bytes` is the most that is live in the arena while it runs."""

    name: str
    op: str
    shape: tuple[int, int, int]
    macs: int
    params: int
    weight_bytes: int
    live_bytes: int


@dataclass(frozen=True)
class EndFacts:
    """One input or output as the file has it; `made_by` is the operator behind an output.

    `pixels`: what an image input wants, where the network tells.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    pixels: Pixels | None = None
    made_by: str | None = None


@dataclass(frozen=True)
class Fit:
    """Whether a board holds the network. Bytes are 0 where a figure does not apply.

    `fits` is about the whole image in memory; `stream_fits` about rows that the caller feeds.
    """

    target: str
    fits: bool
    stream_fits: bool
    reason: str
    arena_bytes: int
    stream_arena_bytes: int
    ram_bytes: int
    constants_bytes: int
    flash_bytes: int
    exact: bool
    largest_built_in: str | None = None


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that `analyze` says."""

    model: str
    target: str
    io: str
    integer: bool
    macs: int
    params: int
    layers: tuple[LayerFacts, ...]
    arena_bytes: int
    arena_lower_bound_bytes: int
    stream_arena_bytes: int
    layer_by_layer_bytes: int
    constants_bytes: int
    placed: tuple[tuple[str, str, str], ...]
    """On a microcontroller: what, the memory that the linker script puts it into, and the macro
    whose section takes it elsewhere ("" for none)."""
    peak_step: int
    peak_at: str
    peak_live: tuple[tuple[str, int], ...]
    fits: tuple[Fit, ...]
    inputs: tuple[EndFacts, ...]
    outputs: tuple[EndFacts, ...]
    task: Task
    """What the outputs mean, and which pixels the input wants."""
    notes: tuple[str, ...]
    """What is computed otherwise than the file's framework does it."""
    plan: dict[str, Any]
    """As in an artefact's `memory_plan.json`, for the picture."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; the plan is left out."""
        facts = {key: value for key, value in asdict(self).items() if key != "plan"}
        return {**facts, "task": self.task.to_dict()}

    def plot_layers(self) -> list[dict[str, Any]]:
        """The layers as `measure.plots` takes them."""
        return [
            {"name": x.name, "op": x.op, "out": list(x.shape), "macs": x.macs} for x in self.layers
        ]


PLAIN = CompileOptions(use_tune_logs=False, threads=1)
"""As `compile` plans it by default, tuning logs and threads left out: for many boards at once."""


def analyze(
    graph: Graph,
    target_name: str | None = None,
    progress: Callable[[str], None] = lambda stage: None,
    io: str | None = None,
) -> Analysis:
    """Analyse `graph` for a target (left out: a typical one) and for every known board.

    `io` is what lies in the arena, as for `compile` (None: by target); `progress` is told what is
    planned. Raises TargetError for an unknown target. A float network is planned for a
    microcontroller too if asked for, and does not fit it.
    """
    default = INTEGER_TARGET if graph.is_integer else FLOAT_TARGET
    target = load_target(target_name or default)
    progress(f"plan memory for {target.name}")
    plan = plan_network(_as_compiled(graph, target), target, CompileOptions(io=io, threads=1))
    main, whole, stream = plan.scheduled, plan.whole, plan.stream
    step, live = peak_tensors(whole)
    facts = tuple(_layer_facts(main.graph, main.schedule, whole))
    return Analysis(
        model=graph.name,
        target=target.name,
        io=plan.io,
        integer=graph.is_integer,
        macs=sum(x.macs for x in facts),
        params=sum(int(array.size) for layer in graph.layers for array in layer.parameters),
        layers=facts,
        arena_bytes=whole.plan.arena_bytes,
        arena_lower_bound_bytes=whole.plan.lower_bound_bytes,
        stream_arena_bytes=stream.plan.arena_bytes,
        layer_by_layer_bytes=layer_by_layer_bytes(graph),
        constants_bytes=len(main.constants.data),
        placed=placed_in(target, whole.plan.arena_bytes),
        peak_step=step,
        peak_at=step_name(whole, step),
        peak_live=tuple(live),
        fits=tuple(_fits(graph, main, (whole, stream), progress)),
        inputs=tuple(_inputs(graph)),
        outputs=tuple(_outputs(graph)),
        task=task_of(graph),
        notes=tuple(note.text for note in graph.notes),
        plan=plan_record(whole, stream),
    )


def _as_compiled(graph: Graph, target: Target) -> Graph:
    """The layers that `compile` makes code of."""
    return split_phases(graph) if target.is_bare_metal else graph


def placed_in(target: Target, arena_bytes: int | None = None) -> tuple[tuple[str, str, str], ...]:
    """Of a microcontroller: what lies in which memory, and the macro that moves it."""
    if not target.is_bare_metal:
        return ()
    at = places(target, arena_bytes)
    # How large the code is, no plan tells: the firmware copies it where it fits.
    copied = [f"{m.name} if it fits" for m in target.memories if m.access == "rwx"]
    return (
        ("arena", at.arena.name, "<NAME>_ARENA_SECTION"),
        ("constants", at.constants.name, "<NAME>_CONSTANTS_SECTION"),
        ("hot code", copied[0] if copied else at.code.name, "<NAME>_CODE_SECTION"),
        ("stack", at.variables.name, ""),
    )


def _inputs(graph: Graph) -> Iterator[EndFacts]:
    image = image_input(graph)
    for index, spec in enumerate(graph.input_specs):
        pixels = wanted_pixels(graph, index) if index == image and len(spec.shape) == 4 else None
        yield EndFacts(spec.name, spec.shape, spec.dtype, spec.layout, pixels)


def _outputs(graph: Graph) -> Iterator[EndFacts]:
    made_by = {layer.output: layer.op for layer in graph.layers}
    for name, spec in zip(graph.outputs, graph.output_specs, strict=True):
        yield EndFacts(spec.name, spec.shape, spec.dtype, spec.layout, made_by=made_by.get(name))


def layer_by_layer_bytes(graph: Graph) -> int:
    """Most bytes of whole tensors at once when each layer runs to its end before the next.

    The image and a residual's input are kept until their last reader is done; nothing is in place.
    """
    last = {name: index for index, layer in enumerate(graph.layers) for name in layer.inputs}
    last |= dict.fromkeys(graph.outputs, len(graph.layers))
    alive = set(graph.inputs)
    most = 0
    for index, layer in enumerate(graph.layers):
        alive.add(layer.output)
        most = max(most, sum(graph.tensors[name].size_bytes for name in alive))
        alive = {name for name in alive if last.get(name, -1) > index}
    return most


def _layer_facts(graph: Graph, schedule: Schedule, whole: Planned) -> Iterator[LayerFacts]:
    program = whole.program
    per_step = live_bytes_per_step(program, live_rows(program)).tolist()
    most: dict[str, int] = {}
    for step, live in zip(program.steps, per_step, strict=True):
        if step.op != FEED:
            op = program.ops[step.op]
            for name in (graph.layers[op.layer].name, *schedule.kernels[op.name].fuses):
                most[name] = max(most.get(name, 0), live)
    for layer in graph.layers:
        yield LayerFacts(
            name=layer.name,
            op=layer.op,
            shape=graph.tensor_out(layer).shape,
            macs=graph.macs(layer),
            params=sum(int(x.size) for x in layer.parameters),
            weight_bytes=sum(int(x.nbytes) for x in layer.parameters),
            live_bytes=most.get(layer.name, 0),
        )


def _fits(
    graph: Graph,
    main: Scheduled,
    plans: tuple[Planned, Planned],
    progress: Callable[[str], None],
) -> Iterator[Fit]:
    """Every shipped target, and the main one if it is a file of the user's own."""
    names = target_names()
    targets = [load_target(name) for name in names]
    if main.target.name not in names:
        targets.insert(0, main.target)
    # What each set of core features needs: kernels follow from it.
    known: list[tuple[Scheduled, tuple[Planned, Planned], bool]] = [(main, plans, True)]
    by_features = {kernel_set(main.target): known[0]}
    for target in targets:
        if not target.is_bare_metal:
            yield _linux_fit(graph, target)
        elif not graph.is_integer:
            yield _float_refusal(target)
        else:
            key = kernel_set(target)
            if key not in by_features:
                progress(f"plan memory for {target.name} and its like")
                scheduled = schedule_network(_as_compiled(graph, target), target, PLAIN)
                by_features[key] = _plan_like(scheduled, known)
                known.append(by_features[key])
            scheduled, (whole, stream), exact = by_features[key]
            yield _bare_metal_fit(target, scheduled, whole, stream, exact)


def _plan_like(
    scheduled: Scheduled, known: Sequence[tuple[Scheduled, tuple[Planned, Planned], bool]]
) -> tuple[Scheduled, tuple[Planned, Planned], bool]:
    """The plan of `scheduled`: a known one of equal rows, else a new one with known chains."""
    align = arena_align(scheduled.target)
    for other, plans, exact in known:
        if other.target.is_bare_metal and other.rows == scheduled.rows:
            return scheduled, plans, exact
    if known[0][0].target.is_bare_metal:
        whole, stream = (plan_quickly(scheduled.rows, plan, align) for plan in known[0][1])
        return scheduled, (whole, stream), False
    plan = plan_scheduled(scheduled, PLAIN)
    return scheduled, (plan.whole, plan.stream), True


def _bare_metal_fit(
    target: Target, scheduled: Scheduled, whole: Planned, stream: Planned, exact: bool
) -> Fit:
    arena, fed = whole.plan.arena_bytes, stream.plan.arena_bytes
    constants = len(scheduled.constants.data)
    flash_fits = constants < target.flash_bytes
    fits = flash_fits and arena <= target.ram_bytes
    stream_fits = flash_fits and fed <= target.ram_bytes
    largest = None if fits else largest_built_in(target)
    return Fit(
        target=target.name,
        fits=fits,
        stream_fits=stream_fits,
        reason="; ".join(
            [
                _compared("RAM", arena, target.ram_bytes),
                *([_compared("RAM by rows", fed, target.ram_bytes)] if not fits else []),
                _compared("flash for the weights", constants, target.flash_bytes),
            ]
        ),
        arena_bytes=arena,
        stream_arena_bytes=fed,
        ram_bytes=target.ram_bytes,
        constants_bytes=constants,
        flash_bytes=target.flash_bytes,
        exact=exact,
        largest_built_in=None if largest is None else largest.name,
    )


def _compared(what: str, need: int, have: int) -> str:
    """`RAM 188.2 of 256.0 KiB, 67.8 KiB left`; MiB where the memory has many of them."""
    size, unit = (2**20, "MiB") if have >= 2**24 else (2**10, "KiB")
    rest = f"{abs(have - need) / size:.1f} {unit} {'left' if have >= need else 'too much'}"
    return f"{what} {need / size:.1f} of {have / size:.1f} {unit}, {rest}"


def _linux_fit(graph: Graph, target: Target) -> Fit:
    # Biases are left to what else a process needs.
    weights = (x for layer in graph.layers for x in layer.parameters[:1])
    need = layer_by_layer_bytes(graph) + sum(x.nbytes for x in weights)
    return Fit(
        target=target.name,
        fits=need <= target.ram_bytes,
        stream_fits=need <= target.ram_bytes,
        reason=_compared("at most, weights included,", need, target.ram_bytes),
        arena_bytes=0,
        stream_arena_bytes=0,
        ram_bytes=target.ram_bytes,
        constants_bytes=0,
        flash_bytes=0,
        exact=False,
    )


def _float_refusal(target: Target) -> Fit:
    return Fit(
        target=target.name,
        fits=False,
        stream_fits=False,
        reason="runs int8 networks, this one is float (`edgemnv2 quantize` makes an int8 one)",
        arena_bytes=0,
        stream_arena_bytes=0,
        ram_bytes=target.ram_bytes,
        constants_bytes=0,
        flash_bytes=target.flash_bytes,
        exact=True,
    )
