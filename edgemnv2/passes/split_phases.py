"""Dilated convolutions -> plain ones over every second row, one half of the map after the other.

Where rows are two apart, even rows never meet odd ones. A chain over five rows of the widest tensor
becomes two chains over three each, one after the other, and each half of a map is free as soon as
its chain is done. What lies between such convolutions and treats every row alike is halved with
them; a mean over the map adds up both halves; what needs the rows in their order gets them joined.

Integers only: a sum of floats depends on its order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgemnv2.ops.concat.layer import Concat
from edgemnv2.ops.convolution.layer import Convolution
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.select.layer import Select
from edgemnv2.ops.table import operator_of

__all__ = ["split_phases"]

PHASES = 2


def split_phases(graph: Graph) -> Graph:
    """The graph with halves for maps between dilated convolutions; itself where there are none.

    A second call changes nothing.
    """
    if not graph.is_integer:
        return graph
    while region := _region(graph):
        graph = _Split(graph, region).graph()
    return graph


def _dilated(layer: Layer) -> bool:
    """Whether it is a convolution of stride 1 whose rows are an even number apart."""
    if not isinstance(layer, Convolution) or layer.dilation[0] % PHASES:
        return False
    top, _, bottom, _ = layer.padding
    same = top + bottom == (layer.kernel[0] - 1) * layer.dilation[0] and top % PHASES == 0
    return layer.stride == (1, 1) and same


def _is_spread(graph: Graph, layer: Layer) -> bool:
    """Whether it repeats one pixel over a map."""
    source = graph.tensor_in(layer) if layer.inputs else None
    return operator_of(layer) == "resize" and source is not None and source.shape[:2] == (1, 1)


def _rowwise(layer: Layer) -> bool:
    """Whether a row of its output is made of the same row of each input."""
    return layer.is_pixelwise or (isinstance(layer, Concat) and layer.axis == "channels")


def _region(graph: Graph) -> set[str]:
    """Names of the layers that are halved; empty where there is no dilation."""
    region = {x.name for x in graph.layers if _dilated(x)}
    if not region:
        return region
    heights = {graph.tensor_out(x).height for x in graph.layers if x.name in region}
    if len(heights) != 1 or min(heights) < 2 * PHASES:
        return set()
    made_by = {x.output: x for x in graph.layers}
    readers: dict[str, list[Layer]] = {}
    for layer in graph.layers:
        for name in layer.inputs:
            readers.setdefault(name, []).append(layer)
    grows = True
    while grows:
        before = len(region)
        tensors = {x.output for x in graph.layers if x.name in region}
        for layer in graph.layers:
            if layer.name in region or layer.output in graph.outputs or not _rowwise(layer):
                continue
            # What else it reads is spread over halves, or taken apart.
            rest = [name for name in layer.inputs if name not in tensors]
            width = graph.tensor_out(layer).row_bytes
            behind = len(rest) < len(layer.inputs) and all(
                (name in made_by and _is_spread(graph, made_by[name]))
                or graph.tensors[name].row_bytes <= width
                for name in rest
            )
            users = readers.get(layer.output, [])
            ahead = bool(users) and all(x.name in region for x in users)
            sizes = [graph.tensors[name].row_bytes for name in layer.inputs]
            # In front, as far as what has to be taken apart gets smaller.
            smaller = sum(sizes) <= width
            if behind or (ahead and smaller):
                region.add(layer.name)
        grows = len(region) > before
    return region


class _Split:
    """The graph under construction."""

    def __init__(self, old: Graph, region: set[str]) -> None:
        self.old, self.region = old, region
        self.tensors: dict[str, Tensor] = {name: old.tensors[name] for name in old.inputs}
        self.layers: list[tuple[tuple[int, int, int], Layer]] = []
        self.halved = {x.output for x in old.layers if x.name in region}
        self.stage: dict[str, int] = dict.fromkeys(old.inputs, 0)
        """Tensor -> how often halves have been joined on the way to it."""

    def graph(self) -> Graph:
        """The whole."""
        for number, layer in enumerate(self.old.layers):
            if layer.name in self.region:
                self._halve(number, layer)
            else:
                self._keep(number, layer)
        for name in self.old.outputs:
            if name in self.halved:
                self._join(name, _halves(name), len(self.old.layers), self.stage[name] + 1)
        self.layers.sort(key=lambda entry: entry[0])
        layers = [layer for _, layer in self.layers]
        # A pixel that is spread over halves is not spread over the map any more.
        read = {*self.old.outputs, *(name for layer in layers for name in layer.inputs)}
        kept = tuple(layer for layer in layers if layer.output in read)
        names = {*self.old.inputs, *(layer.output for layer in kept)}
        tensors = {name: tensor for name, tensor in self.tensors.items() if name in names}
        return replace(self.old, layers=kept, tensors=tensors)

    def _add(self, number: int, phase: int, stage: int, layer: Layer, tensor: Tensor) -> None:
        self.tensors[layer.output] = replace(tensor, name=layer.output)
        self.layers.append(((stage, phase, number), layer))

    def _halve(self, number: int, layer: Layer) -> None:
        stage = max(self.stage[name] for name in layer.inputs)
        self.stage[layer.output] = stage
        for phase in range(PHASES):
            inputs = tuple(self._half(name, phase, number, stage) for name in layer.inputs)
            name = _named(layer.output, phase)
            changes: dict[str, Any] = {"name": name, "inputs": inputs, "output": name}
            if _dilated(layer):
                changes |= _halved_window(layer)
            tensor = self._cut(self.old.tensor_out(layer), phase)
            self._add(number, 1 + phase, stage, replace(layer, **changes), tensor)

    def _keep(self, number: int, layer: Layer) -> None:
        stage = max((self.stage[name] + (name in self.halved) for name in layer.inputs), default=0)
        self.stage[layer.output] = stage
        joined: dict[str, tuple[str, ...]] = {
            name: _halves(name) for name in layer.inputs if name in self.halved
        }
        if joined and operator_of(layer) == "pool":
            inputs = tuple(part for name in layer.inputs for part in joined[name])
        else:
            inputs = tuple(
                self._join(name, joined[name], number, stage) if name in joined else name
                for name in layer.inputs
            )
        made = replace(layer, inputs=inputs)
        self._add(number, 0, stage, made, self.old.tensor_out(layer))

    def _cut(self, tensor: Tensor, phase: int) -> Tensor:
        return replace(tensor, height=len(range(phase, tensor.height, PHASES)))

    def _half(self, name: str, phase: int, number: int, stage: int) -> str:
        """The rows of `name` that belong to a phase."""
        half = _named(name, phase)
        if name in self.halved or half in self.tensors:
            return half
        tensor = self.old.tensors[name]
        maker = next((x for x in self.old.layers if x.output == name), None)
        if maker is not None and _is_spread(self.old, maker):
            count = len(range(phase, tensor.height, PHASES))
            spread: Any = maker
            changes: dict[str, Any] = {"rows": spread.rows[:count]}
            if spread.row_weights is not None:
                changes["row_weights"] = spread.row_weights[:count]
            layer = replace(maker, name=half, output=half, **changes)
        else:
            layer = Select(
                half,
                (name,),
                half,
                rows=tuple(range(phase, tensor.height, PHASES)),
                columns=tuple(range(tensor.width)),
                channels=tuple(range(tensor.channels)),
            )
        # Both halves are taken from a row as soon as it is there.
        self._add(number, 0, stage, layer, self._cut(tensor, phase))
        return half

    def _join(self, name: str, halves: tuple[str, ...], number: int, stage: int) -> str:
        """The rows of a halved tensor in their order."""
        if name in self.tensors:
            return name
        tensor = self.old.tensors[name]
        stacked = f"{name}.stacked"
        concat = Concat(stacked, halves, stacked, axis="height")
        self._add(number, 0, stage, concat, tensor)
        first = len(range(0, tensor.height, PHASES))
        rows = tuple(row // PHASES + (row % PHASES) * first for row in range(tensor.height))
        columns, channels = tuple(range(tensor.width)), tuple(range(tensor.channels))
        select = Select(name, (stacked,), name, rows=rows, columns=columns, channels=channels)
        self._add(number, 0, stage, select, tensor)
        return name


def _named(name: str, phase: int) -> str:
    return f"{name}.{('even', 'odd')[phase]}"


def _halves(name: str) -> tuple[str, ...]:
    return tuple(_named(name, phase) for phase in range(PHASES))


def _halved_window(layer: Any) -> dict[str, Any]:
    """A convolution over a half: its rows half as far apart."""
    top, left, bottom, right = layer.padding
    across = layer.dilation[1]
    return {
        "dilation": (layer.dilation[0] // PHASES, across),
        "padding": (top // PHASES, left, bottom // PHASES, right),
    }
