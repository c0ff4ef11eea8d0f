"""The compiler, from top to bottom: model -> artefact."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgemnv2.artifact import Artifact, ArtifactWriter, load_artifact
from edgemnv2.codegen.constants import pack_constants
from edgemnv2.codegen.emit import emit_code
from edgemnv2.codegen.entry import EntryParts
from edgemnv2.errors import DoesNotFit, ModelError, UsageError
from edgemnv2.frontend import copy_source, integer_twin, load_model, source_file
from edgemnv2.frontend.ends import InputShapes
from edgemnv2.meaning.infer import said_by_file, task_of
from edgemnv2.memory.report import plan_record
from edgemnv2.memory.variants import arena_align, default_io, plan_graph
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.store import KEPT_FOLDER, REFERENCE_FOLDER, save_graph
from edgemnv2.passes import lower
from edgemnv2.passes.share_channels import share_channels
from edgemnv2.passes.split_phases import split_phases
from edgemnv2.passes.to_float16 import to_float16
from edgemnv2.pipeline.describe import interface_of, manifest_of
from edgemnv2.pipeline.flash import within_flash
from edgemnv2.pipeline.options import CompileOptions, check_options
from edgemnv2.pipeline.plan import NetworkPlan, Scheduled, check_fit, decisions
from edgemnv2.pipeline.threads import plan_thread_parts, plan_two_cores, thread_counts
from edgemnv2.schedules import schedule_graph
from edgemnv2.streaming.lower import lower_to_rows
from edgemnv2.target import Target, load_target
from edgemnv2.task import Said

__all__ = [
    "CompileOptions",
    "NetworkPlan",
    "Scheduled",
    "compile_graph",
    "compile_model",
    "emit",
    "lower_source",
    "plan_network",
    "plan_scheduled",
    "schedule_network",
]

Progress = Callable[[str], None]


def _silent(stage: str) -> None:
    """No progress is told."""


def compile_model(
    source: str | Path,
    target_name: str | Path,
    output: Path,
    options: CompileOptions | None = None,
    progress: Progress = _silent,
) -> Artifact:
    """Compile a model file or built-in name for a target into the folder `output`.

    A bare-metal target gets the int8 network of a built-in name that has one besides its own; the
    manifest's `model` says which it is.
    Raises the subclasses of EdgeError; nothing is written unless everything worked.
    """
    options = options or CompileOptions()
    target = load_target(target_name)
    # Fails before the work, not after it, when the folder cannot be used.
    check_options(options, target)
    ArtifactWriter(output, force=options.force, read=[Path(source)])
    taken = integer_twin(source) if target.is_bare_metal else source
    kept = source_file(taken) if options.keep_source else None
    if options.keep_source and kept is None:
        raise UsageError(
            f"keep_source=True: {source} is made by its name, there is no file (leave it out)"
        )
    graph = lower_source(taken, options.input_shapes, progress)
    return compile_graph(graph, target, output, options, progress, kept)


def compile_graph(
    graph: Graph,
    target: Target,
    output: Path,
    options: CompileOptions | None = None,
    progress: Progress = _silent,
    kept: Path | None = None,
) -> Artifact:
    """Compile a lowered network; see `compile_model`. The file `kept` goes into the artefact."""
    options = options or CompileOptions()
    check_options(options, target)
    if options.keep_source and kept is None:
        raise UsageError(
            f"keep_source=True: {graph.name} is in memory, there is no file (compile the file)"
        )
    if target.is_bare_metal and not graph.is_integer:
        raise ModelError(
            f"{graph.source}: a float model cannot be compiled for {target.name}, which runs int8 "
            "(make an int8 one with `edgemnv2 quantize`)"
        )
    writer = ArtifactWriter(output, force=options.force)
    if target.is_bare_metal:
        # Dilated convolutions -> plain ones over every second row: fewer rows at a time.
        graph = split_phases(graph)
        if thread_counts(target, options.io or default_io(target), options.threads):
            graph = share_channels(graph)
    # What the user says of the task fits, or fails before the work.
    task_of(graph, _said(options))
    plan = plan_network(graph, target, options, progress)
    check_fit(plan)
    with writer:
        # What outputs are held against is the network as it came.
        emit(plan, graph, writer, options, progress)
        if kept is not None:
            copy_source(kept, writer.folder / KEPT_FOLDER)
    return load_artifact(output)


def lower_source(
    source: str | Path, input_shapes: InputShapes | None = None, progress: Progress = _silent
) -> Graph:
    """A model file or built-in name as layers of ours."""
    # File -> flow of nodes, in the source's own terms.
    progress("import")
    model = load_model(source, input_shapes)
    # Flow -> layers.
    progress("lower")
    graph = lower(model)
    # What the file, or a file beside it, says of the network's task.
    file = source_file(source)
    return graph if file is None else replace(graph, said=said_by_file(file))


def plan_network(
    graph: Graph,
    target: Target,
    options: CompileOptions | None = None,
    progress: Progress = _silent,
) -> NetworkPlan:
    """Kernels, row programs and arenas of `graph` on `target`; no code is made."""
    options = options or CompileOptions()
    # Layers -> row kernels: what one step of each layer does, and what it needs.
    progress("schedule")
    scheduled = schedule_network(graph, target, options)
    # Row kernels -> row program -> arena, verified step by step.
    progress("plan memory")
    return plan_scheduled(scheduled, options)


def schedule_network(graph: Graph, target: Target, options: CompileOptions) -> Scheduled:
    """The kernels of `graph` on `target`, as row operations."""
    if options.dtype == "float16":
        graph = to_float16(graph, target)
    chosen, cuts, tuned = decisions(graph, target, options)
    flash = None
    if target.is_bare_metal and options.schedule is None:
        schedule, flash = within_flash(graph, target, chosen, options.flash_budget)
    else:
        schedule = schedule_graph(graph, target, chosen)
    rows = lower_to_rows(graph, schedule.kernels, schedule.layouts)
    return Scheduled(graph, target, schedule, rows, cuts, tuned, flash)


def plan_scheduled(scheduled: Scheduled, options: CompileOptions) -> NetworkPlan:
    """The programs and arenas of a scheduled network, for one thread and for several.

    DoesNotFit where an arena is too large to be checked.
    """
    try:
        return _planned(scheduled, options)
    except DoesNotFit as error:
        raise DoesNotFit(f"{scheduled.graph.name}: {error}") from None


def _planned(scheduled: Scheduled, options: CompileOptions) -> NetworkPlan:
    graph, target, rows = scheduled.graph, scheduled.target, scheduled.rows
    io = options.io or default_io(target)
    counts = thread_counts(target, io, options.threads)
    whole, stream = plan_graph(rows, io, scheduled.cuts.chains, arena_align(target))
    if target.is_bare_metal:
        cores = plan_two_cores(graph, scheduled.schedule, target, whole) if counts else None
        return NetworkPlan(scheduled, io, whole, stream, (), cores)
    threads = plan_thread_parts(
        graph, scheduled.schedule, target, rows, scheduled.cuts.thread_chains, counts
    )
    return NetworkPlan(scheduled, io, whole, stream, threads)


def emit(
    plan: NetworkPlan,
    reference: Graph,
    writer: ArtifactWriter,
    options: CompileOptions,
    progress: Progress = _silent,
) -> None:
    """Code, reference, plan and manifest into the folder of `writer`."""
    scheduled, folder = plan.scheduled, writer.folder
    # Program and plan -> code.
    progress("generate code")
    task = task_of(scheduled.graph, _said(options))
    interface = interface_of(plan, options, task)
    parts = EntryParts(
        scheduled.schedule.kernels, plan.whole, plan.stream, scheduled.constants, interface
    )
    code_bytes = emit_code(
        parts,
        scheduled.target,
        folder,
        plan.threads,
        options.code_size_budget,
        scheduled.graph.source,
        _plain_kernels(scheduled, options),
        plan.cores,
    )
    progress("write")
    (folder / REFERENCE_FOLDER).mkdir()
    save_graph(reference, folder / REFERENCE_FOLDER)
    record = plan_record(plan.whole, plan.stream)
    (folder / "memory_plan.json").write_text(
        json.dumps(record) + "\n", encoding="utf-8", newline="\n"
    )
    writer.manifest = manifest_of(plan, interface, code_bytes, options, task)


def _said(options: CompileOptions) -> Said:
    return options.said.over(Said(preprocess=options.preprocess))


def _plain_kernels(scheduled: Scheduled, options: CompileOptions) -> dict[str, RowKernel] | None:
    """Kernels for browsers without SIMD, which take what those of `scheduled` take.

    None for other targets, and for one without SIMD itself.
    """
    target = scheduled.target
    if not target.is_web or not target.cpu.features:
        return None
    chosen, _, _ = decisions(scheduled.graph, target, options)
    kernels = dict(schedule_graph(scheduled.graph, target.without_features(), chosen).kernels)
    same = pack_constants(kernels).data == scheduled.constants.data
    assert same, f"{scheduled.graph.name}: constants of plain kernels are others"
    return kernels
