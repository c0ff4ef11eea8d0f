"""Layers whose single rows are long -> two layers, each with half of the channels.

For two cores: what makes one row, or three, would keep one of them busy and the other waiting. In
a small MobileNetV2 these are the head and the classifier.
"""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.concat.layer import Concat
from edgemnv2.ops.graph import Graph, Layer, Tensor

__all__ = ["share_channels"]

LONG_ROW = 0.02
"""Share of all multiply-accumulates from which on a row is worth two steps."""
GRANULE = 4
"""Channels that kernels make at a time."""
PARTS = 2


def share_channels(graph: Graph) -> Graph:
    """The graph with halves for such layers, joined behind them; itself where there are none."""
    total = sum(graph.macs(layer) for layer in graph.layers)
    layers: list[Layer] = []
    tensors: dict[str, Tensor] = dict(graph.tensors)
    for layer in graph.layers:
        out = graph.tensor_out(layer)
        parts = _parts(layer, out) if graph.macs(layer) > LONG_ROW * total * out.height else []
        if not parts:
            layers.append(layer)
            continue
        for part, channels in parts:
            tensors[part.output] = replace(out, name=part.output, channels=channels)
            layers.append(part)
        halves = tuple(part.output for part, _ in parts)
        layers.append(Concat(layer.name, halves, layer.output, axis="channels"))
    return (
        graph
        if len(layers) == len(graph.layers)
        else replace(graph, layers=tuple(layers), tensors=tensors)
    )


def _parts(layer: Layer, out: Tensor) -> list[tuple[Layer, int]]:
    """The layer in parts, each with its number of channels; empty where it cannot be cut."""
    first = -(-out.channels // PARTS)
    first = -(-first // GRANULE) * GRANULE
    if not layer.is_pixelwise or first >= out.channels:
        return []
    found = []
    for number, (start, count) in enumerate(((0, first), (first, out.channels - first))):
        part = layer.channel_part(start, count)
        if part is None:
            return []
        name = f"{layer.name}.half{number}"
        found.append((replace(part, name=name, output=f"{layer.output}.half{number}"), count))
    return found
