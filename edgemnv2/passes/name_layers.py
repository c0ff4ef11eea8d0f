"""Layers and tensors -> names by their place in the architecture: stem, block3.expand, head ..."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from edgemnv2.ops.graph import Graph, Layer

__all__ = ["name_layers"]


def name_layers(graph: Graph) -> Graph:
    """The graph with structural names; a tensor has the name of the layer that makes it."""
    roles = _roles(graph)
    unique: Counter[str] = Counter()
    names: dict[str, str] = {}
    for index, name in enumerate(graph.inputs):
        names[name] = "input" if len(graph.inputs) == 1 else f"input{index + 1}"
    for layer in graph.layers:
        role = roles[layer.output]
        unique[role] += 1
        names[layer.output] = role if unique[role] == 1 else f"{role}{unique[role]}"
    return replace(
        graph,
        layers=tuple(
            replace(
                layer,
                name=names[layer.output],
                inputs=tuple(names[x] for x in layer.inputs),
                output=names[layer.output],
            )
            for layer in graph.layers
        ),
        tensors={
            names[name]: replace(tensor, name=names[name]) for name, tensor in graph.tensors.items()
        },
        inputs=tuple(names[x] for x in graph.inputs),
        outputs=tuple(names[x] for x in graph.outputs),
        origins={names[x]: origin for x, origin in graph.origins.items() if x in names},
        orders={names[x]: order for x, order in graph.orders.items() if x in names},
    )


def _roles(graph: Graph) -> dict[str, str]:
    """The role of the layer that makes each tensor."""
    made_by = {layer.output: layer for layer in graph.layers}
    roles = {layer.output: layer.op for layer in graph.layers}
    convolutions = [x for x in graph.layers if x.block_role == "dense"]
    depthwise = [x for x in graph.layers if x.block_role == "depthwise"]
    taken: set[str] = set()
    if convolutions:
        roles[convolutions[0].output] = "stem"
        taken.add(convolutions[0].output)
    for index, middle in enumerate(depthwise, start=1):
        block = f"block{index}"
        roles[middle.output] = f"{block}.depthwise"
        before = made_by.get(middle.inputs[0])
        if before is not None and before.block_role == "dense" and before.output not in taken:
            roles[before.output] = f"{block}.expand"
            taken.add(before.output)
        project = next((x for x in convolutions if middle.output in x.inputs), None)
        if project is None:
            continue
        roles[project.output] = f"{block}.project"
        taken.add(project.output)
        for x in graph.layers:
            if x.block_role == "sum" and project.output in x.inputs:
                roles[x.output] = f"{block}.add"
    rest = [x for x in convolutions if x.output not in taken]
    for layer in rest:
        roles[layer.output] = "head"
    if rest and _is_classifier(graph, rest[-1], len(rest)):
        roles[rest[-1].output] = "classifier"
    return roles


def _is_classifier(graph: Graph, last: Layer, count: int) -> bool:
    """The last convolution, unless it is the only one and a pooling still follows it."""
    return count > 1 or not any(
        x.block_role == "pool" and last.output in x.inputs for x in graph.layers
    )
