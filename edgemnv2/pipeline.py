"""The compiler, from top to bottom: model -> artefact."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from edgemnv2 import __version__
from edgemnv2.artifact import Artifact, ArtifactTensor, ArtifactWriter, load_artifact
from edgemnv2.codegen.constants import ConstantBlob, pack_constants
from edgemnv2.codegen.emit import emit_code
from edgemnv2.codegen.entry import EntryParts
from edgemnv2.codegen.interface import Interface, InterfaceEnd, field_names
from edgemnv2.codegen.names import check_name, name_of
from edgemnv2.codegen.threads import ThreadParts
from edgemnv2.errors import DoesNotFit, ModelError, UsageError
from edgemnv2.frontend import copy_source, integer_twin, load_model, source_file
from edgemnv2.memory.planner import Planned
from edgemnv2.memory.report import does_not_fit_message, flash_message, plan_record
from edgemnv2.memory.thread_plan import plan_threads
from edgemnv2.memory.variants import (
    arena_align,
    default_chains,
    default_io,
    plan_graph,
    thread_chains,
)
from edgemnv2.model import TensorSpec
from edgemnv2.ops.graph import Graph, Tensor
from edgemnv2.ops.kernel import CONSTANT_ALIGN_BYTES
from edgemnv2.ops.store import KEPT_FOLDER, REFERENCE_FOLDER, save_graph
from edgemnv2.passes import lower
from edgemnv2.passes.to_float16 import FLOAT16_TOLERANCE, to_float16
from edgemnv2.records.lookup import Tuned, tuned_or_default
from edgemnv2.samples.images import default_preset
from edgemnv2.schedules import Schedule, ScheduleOptions, schedule_graph
from edgemnv2.streaming.lower import RowOps, lower_to_rows
from edgemnv2.streaming.parts import scratch_of, share_steps
from edgemnv2.target import Target, load_target

__all__ = ["CompileOptions", "compile_graph", "compile_model"]

Progress = Callable[[str], None]


@dataclass(frozen=True)
class CompileOptions:
    """What the user may choose. `None` stands for the target's default.

    `io` "arena" or "caller"; `chains` "memory" (cut so that the arena is least), "blocks" (cut
    after every block) or "layers" (nothing is streamed, to compare with), `thread_chains` the same
    for several threads; `preprocess` names how images become inputs, recorded for `run.py`;
    `threads` is the number of threads that there shall be a plan for, besides one.
    `code_size_budget`: most bytes of machine code on bare metal.
    `dtype` "float16" computes a float32 network in half precision.
    `keep_source` puts the model's file into the artefact, for `verify`.
    `tune_logs` is the log to use, else the target's shipped one; `schedule` decides everything
    instead of it.
    """

    name: str | None = None
    io: str | None = None
    chains: str | None = None
    thread_chains: str | None = None
    preprocess: str | None = None
    threads: int | None = None
    dtype: str | None = None
    code_size_budget: int | None = None
    schedule: ScheduleOptions | None = None
    force: bool = False
    keep_source: bool = False
    tune_logs: Path | None = None
    use_tune_logs: bool = True


def compile_model(
    source: str | Path,
    target_name: str | Path,
    output: Path,
    options: CompileOptions | None = None,
    progress: Progress = lambda stage: None,
) -> Artifact:
    """Compile a model file or built-in name for a target into the folder `output`.

    A bare-metal target gets the int8 network of a built-in name that has one besides its own; the
    manifest's `model` says which it is.
    Raises the subclasses of EdgeError; nothing is written unless everything worked.
    """
    options = options or CompileOptions()
    target = load_target(target_name)
    # Fails before the work, not after it, when the folder cannot be used.
    _check_options(options)
    file = source_file(source) if options.keep_source else None
    if options.keep_source and file is None:
        raise UsageError(
            f"--keep-source: {source} is made by its name, there is no file (leave it out)"
        )
    ArtifactWriter(output, force=options.force)
    # File -> Relax.
    progress("import")
    taken = integer_twin(source) if target.is_bare_metal else source
    model = load_model(taken)
    # Relax -> layers of ours.
    progress("lower")
    graph = lower(model)
    return compile_graph(
        graph, target, output, options, progress, source_file(taken) if file is not None else None
    )


def compile_graph(
    graph: Graph,
    target: Target,
    output: Path,
    options: CompileOptions | None = None,
    progress: Progress = lambda stage: None,
    kept: Path | None = None,
) -> Artifact:
    """Compile a lowered network; see `compile_model`. The file `kept` goes into the artefact."""
    options = options or CompileOptions()
    if target.is_bare_metal and not graph.is_integer:
        raise ModelError(
            f"{graph.source}: a float model cannot be compiled for {target.name}, which runs int8 "
            "(make an int8 one with `edgemnv2 quantize`)"
        )
    writer = ArtifactWriter(output, force=options.force)
    if options.code_size_budget is not None and not target.is_bare_metal:
        raise UsageError(
            f"--code-size-budget: {target.name} is a Linux target (leave the budget out)"
        )
    # What outputs are held against is the network as it came.
    reference_graph = graph
    if options.dtype == "float16":
        graph = to_float16(graph, target)
    # Layers -> row kernels: what one step of each layer does, and what it needs.
    progress("schedule")
    chosen, cuts, tuned = _decisions(graph, target, options)
    schedule = schedule_graph(graph, target, chosen)
    # Row kernels -> row program -> arena, verified step by step.
    progress("plan memory")
    rows = lower_to_rows(graph, schedule.kernels, schedule.layouts)
    io = options.io or default_io(target)
    whole, stream = plan_graph(rows, io, cuts["chains"], arena_align(target))
    constants = pack_constants(schedule.kernels)
    _check_fit(whole, constants, target, graph)
    # The same once more for every number of threads.
    counts = thread_counts(target, io, options)
    threads = plan_thread_parts(graph, schedule, target, rows, cuts["thread_chains"], counts)
    # Program and plan -> code.
    progress("generate code")
    name = options.name or name_of(graph.name)
    parts = EntryParts(
        kernels=schedule.kernels,
        whole=whole,
        stream=stream,
        constants=constants,
        interface=_interface(name, graph, io, whole, stream, target, threads),
    )
    with writer:
        code_bytes = emit_code(
            parts, target, writer.folder, threads, options.code_size_budget, graph.source
        )
        record = plan_record(whole, stream)
        (writer.folder / REFERENCE_FOLDER).mkdir()
        save_graph(reference_graph, writer.folder / REFERENCE_FOLDER)
        if kept is not None:
            copy_source(kept, writer.folder / KEPT_FOLDER)
        (writer.folder / "memory_plan.json").write_text(json.dumps(record) + "\n")
        progress("write")
        writer.manifest = {
            **_manifest(graph, parts, target, schedule, code_bytes, options, cuts, threads),
            # Which tuning records decided about the network as a whole, and what could not be used.
            "network_records": dict(tuned.network_records),
            "tuning_notes": list(tuned.notes),
            # What is computed otherwise than the file's framework does it.
            **({"notes": [note.text for note in graph.notes]} if graph.notes else {}),
        }
    return load_artifact(output)


def _decisions(
    graph: Graph, target: Target, options: CompileOptions
) -> tuple[ScheduleOptions, dict[str, str], Tuned]:
    """The schedule's options, how chains are cut, and what a tuning log had to say about it.

    The cuts are "chains" and, for the plans with several threads, "thread_chains". The caller's own
    schedule stands as it is; else the tuning log fills in what it knows.
    """
    chosen = options.schedule or ScheduleOptions.default(target)
    tuned = Tuned()
    if options.schedule is None and options.use_tune_logs:
        tuned = tuned_or_default(graph, target, options.tune_logs, chosen)
        chosen = replace(
            chosen,
            decisions=tuned.decisions,
            records=tuned.records,
            whole_rows_max=tuned.network.get("whole_rows_max", chosen.whole_rows_max),
        )
    cuts = {
        name: wanted or options.chains or tuned.network.get(name, default_chains(target))
        for name, wanted in (
            ("chains", options.chains),
            ("thread_chains", options.thread_chains),
        )
    }
    return chosen, cuts, tuned


def _check_options(options: CompileOptions) -> None:
    """UsageError for what can be told without a network."""
    if options.name is not None:
        check_name(options.name)
    if options.code_size_budget is not None and options.code_size_budget < 1:
        raise UsageError(f"--code-size-budget {options.code_size_budget}: expected at least 1")


def _check_fit(whole: Planned, constants: ConstantBlob, target: Target, graph: Graph) -> None:
    if not target.is_bare_metal:
        return
    if whole.plan.arena_bytes > target.ram_bytes:
        raise DoesNotFit(does_not_fit_message(whole, target, graph))
    if len(constants.data) > target.flash_bytes:
        raise DoesNotFit(flash_message(len(constants.data), target, graph))


DEFAULT_THREADS = (2, 4)


def thread_counts(target: Target, io: str, options: CompileOptions) -> tuple[int, ...]:
    """Numbers of threads above one to plan for.

    By default two and four as far as the target has cores; `clock_hz` 0 stands for a processor that
    is only known where the code runs. Raises UsageError for a number that cannot be planned for.
    """
    wanted = options.threads
    if wanted is None:
        if target.is_bare_metal or io == "arena":
            return ()
        cores = target.cpu.cores if target.cpu.clock_hz else max(DEFAULT_THREADS)
        return tuple(count for count in DEFAULT_THREADS if count <= cores)
    if not 1 <= wanted <= MOST_THREADS:
        raise UsageError(f"--threads {wanted}: expected 1 to {MOST_THREADS}")
    if wanted == 1:
        return ()
    if target.is_bare_metal:
        raise UsageError(
            f"--threads {wanted}: {target.name} runs without an operating system (leave it out)"
        )
    if io == "arena":
        raise UsageError(
            f"--threads {wanted}: with --io arena there is one thread only (use --io caller)"
        )
    return (wanted,)


MOST_THREADS = 64


def plan_thread_parts(
    graph: Graph,
    schedule: Schedule,
    target: Target,
    rows: RowOps,
    chains: str,
    counts: tuple[int, ...],
) -> tuple[ThreadParts, ...]:
    """What each of the thread counts adds to the code."""
    cut = thread_chains(rows, chains)
    planned = []
    for count in counts:
        program, kernels = share_steps(graph, schedule, target, rows, cut, count)
        plan = plan_threads(program, partial(scratch_of, program, kernels), arena_align(target))
        planned.append(ThreadParts(program, plan, kernels))
    return tuple(planned)


def _interface(
    name: str,
    graph: Graph,
    io: str,
    whole: Planned,
    stream: Planned,
    target: Target,
    threads: tuple[ThreadParts, ...],
) -> Interface:
    program = whole.program

    def ends(kind: str, names: tuple[str, ...], rows: tuple[str, ...]) -> tuple[InterfaceEnd, ...]:
        specs = graph.input_specs if kind == "input" else graph.output_specs
        fields = field_names([spec.name for spec in specs], kind)
        return tuple(
            InterfaceEnd.of(
                graph.tensors[name],
                field,
                row,
                whole.plan.placements[row].offset(0) if io == "arena" else 0,
            )
            for name, field, row in zip(names, fields, rows, strict=True)
        )

    return Interface(
        name=name,
        io=io,
        title=graph.name,
        layer_count=len(graph.layers),
        inputs=ends("input", graph.inputs, program.inputs),
        outputs=ends("output", graph.outputs, program.outputs),
        arena_bytes=max(whole.plan.arena_bytes, 1),
        arena_align_bytes=arena_align(target),
        stream_arena_bytes=max(stream.plan.arena_bytes, 1),
        fed=program.inputs.index(stream.program.fed[0]),
        threads=tuple(one.program.threads for one in threads),
        threads_arena_bytes=max(
            whole.plan.arena_bytes, 1, *(one.plan.arena_bytes for one in threads)
        ),
    )


def _manifest(
    graph: Graph,
    parts: EntryParts,
    target: Target,
    schedule: Schedule,
    code_bytes: int,
    options: CompileOptions,
    cuts: Mapping[str, str],
    threads: tuple[ThreadParts, ...],
) -> dict[str, Any]:
    return {
        "edgemnv2": __version__,
        "name": parts.interface.name,
        "target": target.name,
        "target_file": target.to_dict(),
        "model": {"name": graph.name, "source": graph.source, "sha256": graph.sha256},
        "inputs": _ends(graph, graph.input_specs, graph.inputs),
        "outputs": _ends(graph, graph.output_specs, graph.outputs),
        "preprocess": options.preprocess or default_preset(graph),
        "io": parts.interface.io,
        "dtype": options.dtype,
        # Of the largest output; None: what `verify` allows for the output's own type.
        "relative_tolerance": FLOAT16_TOLERANCE if options.dtype == "float16" else None,
        **cuts,
        # Tensors whose rows are not plain NHWC of the tensor's own type.
        "packed_rows": sorted(
            {*schedule.layouts, *(t.name for t in graph.tensors.values() if t.dtype == "float16")}
        ),
        "arena_bytes": parts.interface.arena_bytes,
        "threads": [1, *(one.program.threads for one in threads)],
        "threads_arena_bytes": {str(one.program.threads): one.plan.arena_bytes for one in threads},
        "arena_align_bytes": parts.interface.arena_align_bytes,
        "arena_lower_bound_bytes": parts.whole.plan.lower_bound_bytes,
        "stream_arena_bytes": parts.interface.stream_arena_bytes,
        "stream_arena_lower_bound_bytes": parts.stream.plan.lower_bound_bytes,
        "constants_bytes": len(parts.constants.data),
        "constants_align_bytes": CONSTANT_ALIGN_BYTES,
        "code_bytes": code_bytes,
        "macs": sum(graph.macs(layer) for layer in graph.layers),
        "layers": [
            {
                "name": layer.name,
                "op": layer.op,
                "in": [list(graph.tensors[t].shape) for t in layer.inputs],
                "out": list(graph.tensor_out(layer).shape),
                "macs": graph.macs(layer),
            }
            for layer in graph.layers
        ],
        "kernels": [
            {
                "name": op.name,
                "op": graph.layers[op.layer].op,
                "fuses": list(schedule.kernels[op.name].fuses),
                "shape": list(graph.tensor_out(graph.layers[op.layer]).shape),
                "rows_per_step": op.rows_per_step,
                "scratch_bytes": op.scratch_bytes,
                "symbol": schedule.kernels[op.name].symbol,
                "schedule": schedule.kernels[op.name].schedule,
                "decisions": dict(schedule.kernels[op.name].decisions),
            }
            for op in parts.whole.program.ops
        ],
    }


def _ends(
    graph: Graph, specs: tuple[TensorSpec, ...], names: tuple[str, ...]
) -> list[dict[str, Any]]:
    return [_end(spec, graph.tensors[name]) for spec, name in zip(specs, names, strict=True)]


def _end(spec: TensorSpec, tensor: Tensor) -> dict[str, Any]:
    return ArtifactTensor(
        name=spec.name,
        shape=spec.shape,
        dtype=spec.dtype,
        layout=spec.layout,
        nhwc=tensor.shape,
        scale=tensor.quant.scale if tensor.quant and tensor.dtype != "float32" else None,
        zero_point=tensor.quant.zero_point if tensor.quant and tensor.dtype != "float32" else None,
    ).to_dict()
