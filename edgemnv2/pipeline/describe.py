"""A planned network -> its C interface, and what its manifest says."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.codegen.answers import Answers
from edgemnv2.codegen.camera import CameraRows
from edgemnv2.codegen.ends import InterfaceEnd
from edgemnv2.codegen.interface import Interface, field_names
from edgemnv2.codegen.names import name_of
from edgemnv2.manifest import ArtifactTensor, KernelRecord, LayerRecord, Manifest, ModelId
from edgemnv2.meaning.infer import labels_left_out
from edgemnv2.memory.variants import arena_align
from edgemnv2.model import TensorSpec
from edgemnv2.ops.graph import Graph, Tensor
from edgemnv2.ops.kernel import CONSTANT_ALIGN_BYTES
from edgemnv2.passes.to_float16 import FLOAT16_TOLERANCE
from edgemnv2.pipeline.options import CompileOptions
from edgemnv2.pipeline.origin import bill_of_materials
from edgemnv2.pipeline.plan import NetworkPlan
from edgemnv2.program import RowOp
from edgemnv2.samples.images import default_preset, image_input, stored_bytes
from edgemnv2.task import Task
from edgemnv2.version import __version__

__all__ = ["interface_of", "manifest_of", "preset_of"]


def interface_of(plan: NetworkPlan, options: CompileOptions, task: Task) -> Interface:
    """The C interface, its names prefixed by the name that was chosen, else the network's own."""
    graph, whole, threads = plan.scheduled.graph, plan.whole, plan.thread_arenas

    def ends(kind: str, names: tuple[str, ...], rows: tuple[str, ...]) -> tuple[InterfaceEnd, ...]:
        specs = graph.input_specs if kind == "input" else graph.output_specs
        fields = field_names([spec.name for spec in specs], kind)
        return tuple(
            InterfaceEnd.of(
                graph.tensors[name],
                field,
                row,
                0 if row in whole.program.external else whole.plan.placements[row].offset(0),
            )
            for name, field, row in zip(names, fields, rows, strict=True)
        )

    inputs = ends("input", graph.inputs, whole.program.inputs)
    outputs = ends("output", graph.outputs, whole.program.outputs)
    fed = whole.program.inputs.index(plan.stream.program.fed[0])
    by_name = {spec.name: end for spec, end in zip(graph.output_specs, outputs, strict=True)}
    interface = Interface(
        name=options.name or name_of(graph.name),
        io=plan.io,
        title=graph.name,
        layer_count=len(graph.layers),
        inputs=inputs,
        outputs=outputs,
        arena_bytes=max(whole.plan.arena_bytes, 1),
        arena_align_bytes=arena_align(plan.scheduled.target),
        stream_arena_bytes=max(plan.stream.plan.arena_bytes, 1),
        step_count=len(whole.program.steps),
        fed=fed,
        threads=tuple(threads),
        threads_arena_bytes=max(whole.plan.arena_bytes, 1, *threads.values()),
        scratch=tuple(
            (layer.name, plan.scheduled.schedule.kernels[layer.name].scratch_bytes)
            for layer in graph.layers
            if layer.names_scratch
        ),
        needs=plan.scheduled.target.needs,
        is_placed=plan.scheduled.target.is_bare_metal,
        answers=Answers(task, by_name),
        camera=_camera(graph, options, task, inputs[fed], fed),
    )
    return replace(interface, core_offsets=_core_offsets(plan, interface))


def _core_offsets(plan: NetworkPlan, interface: Interface) -> tuple[tuple[str, int], ...]:
    """Where two cores have the ends in the arena, by macro; 0 where the caller has them."""
    if plan.cores is None:
        return ()
    program, places = plan.cores.cores.program, plan.cores.plan.placements
    ends = [
        *(
            (interface.macro("input", end), name)
            for end, name in zip(interface.inputs, program.inputs, strict=True)
        ),
        *(
            (interface.macro("output", end), name)
            for end, name in zip(interface.outputs, program.outputs, strict=True)
        ),
    ]
    return tuple((macro, places[name].offset(0) if name in places else 0) for macro, name in ends)


def preset_of(graph: Graph, options: CompileOptions) -> str:
    """How images become inputs: as the user says, as the file does, or as suits the input."""
    return options.preprocess or graph.said.preprocess or default_preset(graph)


def _camera(
    graph: Graph, options: CompileOptions, task: Task, end: InterfaceEnd, fed: int
) -> CameraRows | None:
    """The rows of a camera for the input that is fed; None where that is no image."""
    if fed != image_input(graph) or len(graph.input_specs[fed].shape) != 4:
        return None
    tensor = graph.tensors[graph.inputs[fed]]
    if tensor.channels not in (1, 3):
        return None
    return CameraRows(end, stored_bytes(tensor, preset_of(graph, options)), task.fit)


def manifest_of(
    plan: NetworkPlan, interface: Interface, code_bytes: int, options: CompileOptions, task: Task
) -> Manifest:
    """What the artefact says of itself; its files are added when they are all there."""
    scheduled, threads = plan.scheduled, plan.thread_arenas
    graph, target, tuned = scheduled.graph, scheduled.target, scheduled.tuned
    half = {t.name for t in graph.tensors.values() if t.dtype == "float16"}
    return Manifest(
        edgemnv2=__version__,
        name=interface.name,
        target=target.name,
        target_file=target.to_dict(),
        model=ModelId(graph.name, graph.source, graph.sha256),
        inputs=_ends(graph, graph.input_specs, graph.inputs),
        outputs=_ends(graph, graph.output_specs, graph.outputs),
        task=task,
        preprocess=preset_of(graph, options),
        io=plan.io,
        dtype=options.dtype,
        relative_tolerance=FLOAT16_TOLERANCE if options.dtype == "float16" else None,
        chains=scheduled.cuts.chains,
        thread_chains=scheduled.cuts.thread_chains,
        packed_rows=tuple(sorted({*scheduled.schedule.layouts, *half})),
        arena_bytes=interface.arena_bytes,
        threads=(1, *threads),
        threads_arena_bytes=threads,
        arena_align_bytes=interface.arena_align_bytes,
        arena_lower_bound_bytes=plan.whole.plan.lower_bound_bytes,
        stream_arena_bytes=interface.stream_arena_bytes,
        stream_arena_lower_bound_bytes=plan.stream.plan.lower_bound_bytes,
        constants_bytes=len(scheduled.constants.data),
        constants_align_bytes=CONSTANT_ALIGN_BYTES,
        code_bytes=code_bytes,
        macs=sum(graph.macs(layer) for layer in graph.layers),
        layers=tuple(
            LayerRecord(
                name=layer.name,
                op=layer.op,
                inputs=tuple(graph.tensors[t].shape for t in layer.inputs),
                output=graph.tensor_out(layer).shape,
                macs=graph.macs(layer),
            )
            for layer in graph.layers
        ),
        kernels=tuple(_kernel(plan, op) for op in plan.whole.program.ops),
        steps=interface.step_count,
        flash=None if scheduled.flash is None else scheduled.flash.to_dict(),
        network_records=dict(tuned.network_records),
        tuning_notes=tuple(tuned.notes),
        notes=(*(note.text for note in graph.notes), *_about_labels(graph, task)),
        provenance=bill_of_materials(scheduled, code_bytes),
    )


def _about_labels(graph: Graph, task: Task) -> tuple[str, ...]:
    """What is said of labels that do not fit the network, as those of another one beside it."""
    left_out = labels_left_out(graph, task)
    return (f"{left_out}; not used, give the right ones with labels=",) if left_out else ()


def _kernel(plan: NetworkPlan, op: RowOp) -> KernelRecord:
    graph = plan.scheduled.graph
    kernel, layer = plan.scheduled.schedule.kernels[op.name], graph.layers[op.layer]
    return KernelRecord(
        name=op.name,
        op=layer.op,
        fuses=tuple(kernel.fuses),
        shape=graph.tensor_out(layer).shape,
        rows_per_step=op.rows_per_step,
        scratch_bytes=op.scratch_bytes,
        symbol=kernel.symbol,
        schedule=kernel.schedule,
        decisions=dict(kernel.decisions),
    )


def _ends(
    graph: Graph, specs: tuple[TensorSpec, ...], names: tuple[str, ...]
) -> tuple[ArtifactTensor, ...]:
    return tuple(_end(spec, graph.tensors[name]) for spec, name in zip(specs, names, strict=True))


def _end(spec: TensorSpec, tensor: Tensor) -> ArtifactTensor:
    quant = tensor.quant if tensor.dtype != "float32" else None
    return ArtifactTensor(
        name=spec.name,
        shape=spec.shape,
        dtype=spec.dtype,
        layout=spec.layout,
        nhwc=tensor.shape,
        scale=None if quant is None else quant.scale,
        zero_point=None if quant is None else quant.zero_point,
    )
