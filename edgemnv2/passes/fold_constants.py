"""Nodes on constants alone -> constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edgemnv2.errors import EdgeError, ModelError
from edgemnv2.model import TensorSpec, layout_of
from edgemnv2.ops.constants import evaluate
from edgemnv2.ops.execute import run
from edgemnv2.ops.flow import Constant, Flow, Node, constant_output
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.model import Model
from edgemnv2.samples.images import to_nhwc, to_source

__all__ = ["fold_constants"]

Lower = Callable[[Model], Graph]


def fold_constants(flow: Flow, lower: Lower) -> Flow:
    """The flow without the nodes whose inputs are all constant.

    `lower` makes layers of a network: one of a single node computes what has no formula of its own.
    """
    known: dict[str, Constant] = {}
    nodes: list[Node] = []
    for old in flow.nodes:
        inputs = tuple(known.get(x, x) if isinstance(x, str) else x for x in old.inputs)
        node = replace(old, inputs=inputs)
        if node.tensors:
            nodes.append(node)
            continue
        if node.output in flow.outputs:
            raise constant_output(flow.source, f"output {node.output!r}")
        known[node.output] = evaluate(node, flow.source) or _computed(node, flow, lower)
    return flow.with_nodes(nodes)


def _computed(node: Node, flow: Flow, lower: Lower) -> Constant:
    """What the layer of `node` makes of its first constant, as if that were a network's input."""
    values = node.constant(0).real()
    name = f"{node.output}.constant"
    shapes = {name: values.shape, node.output: flow.shapes[node.output]}
    dtypes = {name: str(values.dtype), node.output: flow.dtypes[node.output]}
    single = Flow((node.with_input(0, name),), shapes, dtypes, (name,), (node.output,), flow.source)
    # The layout is how the two are passed here, not how the node takes them.
    given, made = (
        TensorSpec(x, shapes[x], dtypes[x], layout_of(shapes[x], "NCHW"))
        for x in (name, node.output)
    )
    try:
        if node.more_outputs:
            raise ModelError(f"it makes {len(node.outputs)} tensors")
        graph = lower(Model(node.output, single, (given,), (made,), flow.source, "", "onnx"))
        (taken,), (out,) = graph.input_specs, graph.outputs
        result = run(graph, to_nhwc(values[None] if not taken.has_batch else values, taken))[out]
    except EdgeError as error:
        raise ModelError(
            f"{flow.source}: {node.place or repr(node.output)}: {node.op!r} of constants alone is "
            f"not computed here ({error}); simplify the model before (onnxsim), which puts the "
            "result in its place"
        ) from error
    return Constant(to_source(result, graph.output_specs[0]).reshape(shapes[node.output]))
