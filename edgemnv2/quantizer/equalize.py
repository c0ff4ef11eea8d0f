"""Cross-layer equalisation: channel scales moved between neighbouring layers, the function kept.

If channel c of a layer's output is multiplied by s[c], and the weights that read it are divided by
s[c], the network computes the same. A channel that is small beside the others would get few of the
256 steps of its tensor, or its weights few of the steps of theirs; s evens that out.

ReLU6 is not scale-invariant: its limit is one number for all channels. So s[c] never carries a
channel beyond it: channels that reach the limit stay as they are, the others grow to at most
`MARGIN` of it. What a calibration image does not show may still be cut off there, at
`MARGIN` / s[c] of the limit, which is above anything seen.

Idea: Nagel et al., Data-Free Quantization through Weight Equalization and Bias Correction (2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.reproducible import exp, log, ordered_sum
from edgemnv2.ops.convolution.layer import Convolution
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.quantizer.exact import LARGEST_FACTOR
from edgemnv2.quantizer.float_graph import consumers, convolutions
from edgemnv2.quantizer.ranges import LEVELS
from edgemnv2.quantizer.weights import WEIGHT_LIMIT, groups_of

__all__ = ["equalize_activations", "equalize_weights"]

Array = NDArray[Any]

MARGIN = 0.95
"""Of the clamp's upper limit: room for what calibration did not see."""
SATURATED = 0.96
"""A channel that comes this close to the limit is taken to be cut off by it."""
LEAST, MOST = 1e-2, 1e3
"""Bounds of a channel's scale, so that dead channels do not run away."""
LINEAR_SHARE = 0.75
"""How far the peaks of a linear tensor's channels are evened out; the weights' for the rest.
Measured on torchvision's 1.0/224 (KL divergence of the class scores, 20 calibration images):
0.037 without, 0.019 at 0.5, 0.016 at 0.75, and at 1 the weights begin to lose."""
RANGE_OF_PEAK = 1.5
"""The usual range of a linear tensor, both signs, outliers cut off, over its largest magnitude."""
NEGLIGIBLE = 1e-3
"""Of the largest: below this a channel's peak or weight does not count."""
SWEEPS = 20
"""Of the weight equalisation; it has settled long before on MobileNetV2."""


def equalize_activations(graph: Graph, peaks: Mapping[str, Array]) -> Graph:
    """Channels of small values grown, and outliers shrunk, towards one range per tensor.

    For one weight scale per output channel. Where only a depthwise layer reads a tensor, neither
    its weights nor the producer's lose anything, so all channels get one range. On the linear
    tensors between blocks (projections and their sums) the expansions' weights take up the
    difference, for `LINEAR_SHARE` of it. What a projection reads is left alone: its weights would
    lose more than the activations gain.
    """
    linear: dict[str, Array] = {}
    for group in _groups(graph):
        if np.isinf(group.limit) and not _only_depthwise(group):
            weights = [_read(x, x.weight.astype(np.float64)) for x in group.readers]
            read, peak = _at_least(np.max(weights, axis=0)), _at_least(group.peak(peaks))
            wanted = (1 - LINEAR_SHARE) * log(read) - LINEAR_SHARE * log(peak)
            wanted -= ordered_sum(wanted) / len(wanted)
            wanted = np.clip(exp(wanted), LEAST, MOST)
            linear.update(dict.fromkeys(group.tensors, wanted))
    graph = _rescaled(graph, linear)
    peaks = {name: peak * linear.get(name, 1.0) for name, peak in peaks.items()}
    free: dict[str, Array] = {}
    for group in _groups(graph):
        if _only_depthwise(group):
            peak = group.peak(peaks)
            limit = group.limit if np.isfinite(group.limit) else float(peak.max()) / MARGIN
            wanted = _within_limit(MARGIN * limit / peak, peak, limit)
            most = np.min([_most_growth(x, peaks, limit) for x in group.writers], axis=0)
            wanted = np.minimum(wanted, np.maximum(most, 1.0))
            free.update(dict.fromkeys(group.tensors, np.clip(wanted, LEAST, MOST)))
    return _rescaled(graph, free)


def _only_depthwise(group: _Group) -> bool:
    return not any(layer.mixes_channels for layer in group.readers)


def _most_growth(layer: Convolution, peaks: Mapping[str, Array], top: float) -> Array:
    """By how much each output channel may grow before its requantisation factor gets too large.

    The factor is `input step * weight step / output step`. A channel that is hardly ever above
    zero would otherwise grow until it widens the whole tensor's range.
    """
    largest = np.abs(layer.weight.astype(np.float64)).reshape(-1, layer.weight.shape[-1])
    input_step = RANGE_OF_PEAK * float(peaks[layer.inputs[0]].max()) / LEVELS
    weight_step = np.maximum(largest.max(axis=0), 1e-12) / WEIGHT_LIMIT
    return np.asarray(LARGEST_FACTOR * (top / LEVELS) / (input_step * weight_step))


def equalize_weights(graph: Graph, peaks: Mapping[str, Array]) -> Graph:
    """The weights' ranges per channel evened out between each layer and the one that reads it.

    For one weight scale per layer: there, a channel of small weights has few steps.
    """
    groups = _groups(graph)
    weights = {layer.name: layer.weight.astype(np.float64) for layer in convolutions(graph)}
    scales = {tensor: np.ones(len(peaks[tensor])) for g in groups for tensor in g.tensors}
    for _ in range(SWEEPS):
        for group in groups:
            written = np.max([_written(weights[x.name]) for x in group.writers], axis=0)
            read = np.max([_read(x, weights[x.name]) for x in group.readers], axis=0)
            old = scales[group.tensors[0]]
            new = old * np.sqrt(np.maximum(read, 1e-9) / np.maximum(written, 1e-9))
            new = np.clip(_within_limit(new, group.peak(peaks), group.limit), LEAST, MOST)
            scales.update(dict.fromkeys(group.tensors, new))
            for writer in group.writers:
                weights[writer.name] = weights[writer.name] * (new / old)
            for reader in group.readers:
                weights[reader.name] = weights[reader.name] / _of_inputs(reader, new / old)
    return _rescaled(graph, scales)


@dataclass(frozen=True)
class _Group:
    """Tensors whose channels share their scales (a residual sum and its terms, a pooled map)."""

    tensors: tuple[str, ...]
    writers: tuple[Convolution, ...]
    readers: tuple[Convolution, ...]

    @property
    def limit(self) -> float:
        """The clamp's upper end, the same for all who write."""
        return max(float(layer.clamp[1]) for layer in self.writers)

    def peak(self, peaks: Mapping[str, Array]) -> Array:
        """The largest magnitude of each channel."""
        largest = np.max([peaks[tensor] for tensor in self.tensors], axis=0).astype(np.float64)
        return np.asarray(np.maximum(largest, max(largest.max(), 1e-6) * 1e-6))


def _groups(graph: Graph) -> list[_Group]:
    """The groups that may be scaled: convolutions on either side, not the network's ends."""
    root: dict[str, str] = {name: name for name in graph.tensors}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    for layer in graph.layers:
        if layer.keeps_proportions:
            for source in layer.inputs:
                root[find(source)] = find(layer.output)
    members: dict[str, list[str]] = {}
    for name in graph.tensors:
        members.setdefault(find(name), []).append(name)
    groups = []
    for tensors in members.values():
        between = [x for x in graph.layers if x.output in tensors]
        behind = [x for name in tensors for x in consumers(graph, name)]
        inner = [x for x in behind if not x.keeps_proportions]
        writers = [x for x in between if not x.keeps_proportions]
        if {*graph.inputs, *graph.outputs} & set(tensors) or not writers or not inner:
            continue
        written, read = _convolutions(writers), _convolutions(inner)
        if written is None or read is None:
            continue
        if any(x.keeps_proportions and not np.isinf(x.clamp_ends).all() for x in between):
            continue
        # One limit for all of them, and none below but zero.
        ends = {x.clamp_ends for x in written}
        if len(ends) > 1 or not {low for low, _ in ends} <= {0.0, -np.inf}:
            continue
        groups.append(_Group(tuple(tensors), written, read))
    return groups


def _convolutions(layers: list[Layer]) -> tuple[Convolution, ...] | None:
    """Each of `layers` once; None where one is no convolution, or sees some channels only."""
    unique = {layer.name: layer for layer in layers}
    found = tuple(x for x in unique.values() if isinstance(x, Convolution) and groups_of(x) == 1)
    return found if len(found) == len(unique) else None


def _within_limit(scale: Array, peak: Array, limit: float) -> Array:
    """`scale` held back where it would carry a channel beyond the clamp."""
    if not np.isfinite(limit):
        return scale
    held = np.minimum(scale, MARGIN * limit / peak)
    return np.asarray(np.where(peak >= SATURATED * limit, 1.0, held))


def _written(weight: Array) -> Array:
    """The largest weight that makes each output channel."""
    return np.asarray(np.abs(weight).reshape(-1, weight.shape[-1]).max(axis=0))


def _read(layer: Convolution, weight: Array) -> Array:
    """The largest weight on each input channel."""
    axes = (0, 1, 3) if layer.mixes_channels else (0, 1)
    return np.asarray(np.abs(weight).max(axis=axes))


def _at_least(values: Array) -> Array:
    return np.maximum(values, max(float(values.max()), 1e-6) * NEGLIGIBLE)


def _of_inputs(layer: Convolution, scale: Array) -> Array:
    """A scale per input channel, shaped against the layer's weight."""
    return scale[:, np.newaxis] if layer.mixes_channels else scale


def _rescaled(graph: Graph, scales: Mapping[str, Array]) -> Graph:
    """The same function with channels of each tensor multiplied by its scales."""
    layers: list[Layer] = []
    for layer in graph.layers:
        if isinstance(layer, Convolution):
            weight, bias = layer.weight.astype(np.float64), layer.bias.astype(np.float64)
            source, target = scales.get(layer.inputs[0]), scales.get(layer.output)
            if source is not None:
                weight = weight / _of_inputs(layer, source)
            if target is not None:
                weight, bias = weight * target, bias * target
            layer = replace(layer, weight=weight.astype(np.float32), bias=bias.astype(np.float32))
        layers.append(layer)
    return replace(graph, layers=tuple(layers))
