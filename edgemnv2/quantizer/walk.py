"""The int8 network under construction, from its inputs to its outputs, and what it computes.

A tensor of floats is stored as int8 (under its own name), or real (under `outer_name`), or both: a
layer without an integer form reads real values, of stored ones behind a `Dequantize`, and what it
makes is stored behind a `Quantize` where a layer of integers reads it. Layers that only move values
move what is there. Numbers that are no floats have one form.

Stored values are computed for all calibration inputs when their layer is appended, real ones a few
inputs at a time when somebody asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.export.qdq_file import Form, StoredNetwork
from edgemnv2.model import QuantParams
from edgemnv2.ops.convolution.layer import Weighted
from edgemnv2.ops.convolution.quantised import StoredWeights
from edgemnv2.ops.dequantize.layer import Dequantize
from edgemnv2.ops.execute import run_layer
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.ops.table import operator_of, part
from edgemnv2.quantizer.exact import LARGEST_FACTOR, exact_scale, rounding_of
from edgemnv2.quantizer.float_run import Inputs, by_tensor
from edgemnv2.quantizer.one_layer import integer_form
from edgemnv2.quantizer.ranges import affine, choose_range, choose_score_range
from edgemnv2.quantizer.statistics import BATCH, Statistics, count_of
from edgemnv2.quantizer.weights import (
    corrected_bias,
    feedback_of,
    mean_patch,
    quantize_weights,
    weight_scales,
)

__all__ = ["Walk", "outer_name"]

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]
NO_FORM = "no integer form of it is known"


def outer_name(name: str) -> str:
    """The real values of the tensor that is stored as `name`."""
    return f"{name}.float32"


@dataclass
class Walk:
    """What has been made so far; `run` makes all of it."""

    graph: Graph
    statistics: Statistics
    per_channel: bool
    method: str
    tensors: dict[str, Tensor] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    weight_scales: dict[str, Array] = field(default_factory=dict)
    real_weights: dict[str, Array] = field(default_factory=dict)
    stays_float: dict[str, str] = field(default_factory=dict)
    """Reasons by layer name."""

    def __post_init__(self) -> None:
        self._forms: dict[str, Form] = {}
        self._written: list[Layer] = []
        self._values: dict[str, Array] = {}
        self._makers: dict[str, Layer] = {}
        self._pinned: set[str] = set()
        self._readers = Counter(name for layer in self.graph.layers for name in layer.inputs)
        self._count = 0

    def run(self, x: Inputs, progress: Progress) -> Graph:
        """All layers, between `Quantize` and `Dequantize` where ends are floats."""
        graph = self.graph
        self._count = count_of(x)
        inputs = by_tensor(graph, x)
        for name in graph.inputs:
            self._values[self._end(name)] = inputs[name]
        for name in graph.inputs:
            if self._is_float(name):
                self._declare(name, affine(*self.statistics.limits[name]))
                layer = Quantize(
                    self._named("quantize"), (outer_name(name),), name, rounding="even"
                )
                self._append(layer)
        remaining = Counter(self._readers)
        for index, each in enumerate(graph.layers):
            self._convert(each)
            for name in each.inputs:
                remaining[name] -= 1
                if not remaining[name] and name not in self._pinned:
                    self._values.pop(name, None)
            progress("calibrate layers", index + 1, len(graph.layers))
        for name in dict.fromkeys(graph.outputs):
            if self._is_float(name):
                self._real(name, "dequantize")
        ends = [tuple(map(self._end, names)) for names in (graph.inputs, graph.outputs)]
        return self._so_far(inputs=ends[0], outputs=ends[1])

    def stored_network(self) -> StoredNetwork:
        """What the file has."""
        stored = {name: x for name, x in self.tensors.items() if name in self.graph.tensors}
        return StoredNetwork(
            replace(self.graph, layers=tuple(self._written)),
            {name: x for name, x in stored.items() if self._is_float(name)},
            self._forms,
            self.weight_scales,
            {layer.name: layer.clamp_ends for layer in self.graph.layers},
        )

    # -- tensors -----------------------------------------------------------------------------------

    def _is_float(self, name: str) -> bool:
        return self.graph.tensors[name].dtype == "float32"

    def _end(self, name: str) -> str:
        """What an input or an output is called, which is no stored value; declares it."""
        made = outer_name(name) if self._is_float(name) else name
        self.tensors[made] = replace(self.graph.tensors[name], name=made)
        return made

    def _declare(self, name: str, quant: QuantParams) -> None:
        self.tensors[name] = replace(self.graph.tensors[name], dtype="int8", quant=quant)

    def _real(self, name: str, word: str | None = None) -> str:
        """The real values of a tensor, or the numbers that it is."""
        if not self._is_float(name):
            return name
        # The values in front of the network are not those behind their storage.
        real = f"{name}.real" if name in self.graph.inputs else outer_name(name)
        if real not in self._makers:
            self.tensors[real] = replace(self.graph.tensors[name], name=real)
            self._add(Dequantize(self._named(word or f"{name}.dequantize"), (name,), real))
        return real

    def _stored(self, name: str) -> Tensor:
        """The stored form of a tensor of floats, which a layer of floats may have made."""
        if name not in self.tensors:
            self._declare(name, self._range(name))
            layer = Quantize(f"{name}.quantize", (outer_name(name),), name, rounding="even")
            self._append(layer)
        return self.tensors[name]

    def _named(self, word: str) -> str:
        """`word`, with a number from the second layer of this name on."""
        taken = {layer.name for layer in self.layers}
        numbers = (f"{word}{number}" for number in range(2, len(taken) + 3))
        return word if word not in taken else next(x for x in numbers if x not in taken)

    # -- layers ------------------------------------------------------------------------------------

    def _so_far(self, **changes: Any) -> Graph:
        return replace(self.graph, tensors=dict(self.tensors), layers=tuple(self.layers), **changes)

    def _add(self, layer: Layer) -> None:
        """A layer that computes when it is asked."""
        self.layers.append(layer)
        self._makers[layer.output] = layer
        self._pinned.update(layer.inputs)

    def _append(self, layer: Layer) -> None:
        """A layer that computes for all inputs now, if anybody will ask."""
        self.layers.append(layer)
        self._makers[layer.output] = layer
        if not self._readers[layer.output]:
            return
        target = self.tensors[layer.output]
        out = np.empty((self._count, *target.shape), target.dtype)
        for first in range(0, self._count, BATCH):
            share = out[first : first + BATCH]
            share[...] = self._compute(layer, first)
        self._values[layer.output] = out

    def _compute(self, layer: Layer, first: int) -> Array:
        """The output of a layer for `BATCH` inputs."""
        inputs = [self._batch(name, first) for name in layer.inputs]
        return run_layer(self._so_far(), layer, inputs)

    def _batch(self, name: str, first: int) -> Array:
        if name in self._values:
            return self._values[name][first : first + BATCH]
        return self._compute(self._makers[name], first)

    def _convert(self, layer: Layer) -> None:
        if self._is_moved(layer):
            self._move(layer)
            return
        reason = self._reason(layer)
        if reason is None:
            sources = [self._stored(name) for name in layer.inputs]
            reason = self._to_integers(layer, sources)
        if reason is not None:
            self._leave(layer, reason)

    def _is_moved(self, layer: Layer) -> bool:
        """Whether what is there, stored or not, is moved or compared as it is."""
        if layer.compares_only:
            return True
        if not layer.moves_values or not layer.keeps_storage or len(layer.inputs) > 1:
            return False
        if np.isfinite(layer.clamp_ends).any() or layer.has_clamp:
            return False
        source = self.tensors.get(layer.inputs[0])
        if source is None or source.quant is None:
            return True
        return layer.stored_in(source.quant) is not None

    def _move(self, layer: Layer) -> None:
        (name,) = layer.inputs
        source = self.tensors.get(name)
        if source is None or source.quant is None:
            # Real, or numbers.
            self._write(layer, "real")
            out = self._end(layer.output)
            self._add(replace(layer, inputs=(self._real(name),), output=out))
            return
        self._write(layer, "moved")
        if not self._is_float(layer.output):
            self.tensors[layer.output] = self.graph.tensors[layer.output]
            self._add(layer)
            return
        self._declare(layer.output, source.quant)
        stored = layer.stored_in(source.quant)
        assert stored is not None
        self._append(stored)

    def _reason(self, layer: Layer) -> str | None:
        """Why a layer stays in floats; None where it may become integers."""
        if not all(map(self._is_float, (*layer.inputs, layer.output))):
            return "it reads or makes numbers that are no measurements"
        rules = part(operator_of(layer), "quantised")
        reason: str | None = rules.stays_float(layer) if hasattr(rules, "stays_float") else None
        return reason

    def _leave(self, layer: Layer, reason: str) -> None:
        """A layer of floats."""
        self.stays_float[layer.name] = reason
        self._write(layer, "real")
        inputs = tuple(self._real(name) for name in layer.inputs)
        self._add(replace(layer, inputs=inputs, output=self._end(layer.output)))

    def _write(self, layer: Layer, form: Form) -> None:
        self._written.append(layer)
        self._forms[layer.name] = form

    def _to_integers(self, layer: Layer, sources: list[Tensor]) -> str | None:
        """Make the integer layer; the reason where there is none."""
        rules = part(operator_of(layer), "quantised")
        wanted = self._range(layer.output)
        if isinstance(layer, Weighted):
            integer = self._convolution(layer, sources, wanted, rules)
            self._write(integer, "integer")
            self._append(integer)
            return None
        out = replace(self.graph.tensor_out(layer), dtype="int8", quant=wanted)
        if hasattr(rules, "target"):
            error = self.statistics.histograms[layer.output].error
            out = replace(out, quant=rules.target(layer, sources, out, error))
        if hasattr(rules, "integer"):
            made: tuple[Layer, ...] = (rules.integer(layer, sources, out),)
        else:
            found = integer_form(self.graph, layer, [*sources, out])
            if found is None:
                return NO_FORM
            made, between = found
            self.tensors.update(between)
        self._declare(layer.output, out.known_quant)
        self._write(layer, "integer")
        for inner in made[:-1]:
            self._add(inner)
        self._append(made[-1])
        return None

    def _convolution(
        self, layer: Weighted, sources: list[Tensor], wanted: QuantParams, rules: Any
    ) -> Layer:
        source = sources[0].known_quant
        scale = weight_scales(layer, source, per_channel=self.per_channel)
        target = _with_small_factors(wanted, source, scale)
        weights = self._weights(layer, source, target, scale)
        self._declare(layer.output, target)
        integer: Layer = rules.integer(layer, sources, self.tensors[layer.output], weights)
        return integer

    def _range(self, name: str) -> QuantParams:
        scores = self.statistics.scores.get(name)
        if scores is not None:
            return choose_score_range(scores)
        histogram = self.statistics.histograms[name]
        # The last layer's errors are the output's own: nothing that is seen may be cut off.
        return choose_range(histogram, self.method if histogram.matters else "min-max")

    def _weights(
        self, layer: Weighted, source: QuantParams, target: QuantParams, scale: Array
    ) -> StoredWeights:
        exact = exact_scale(scale, source, target, rounding_of(layer))
        covariance = self.statistics.covariances.get(layer.name)
        damping = feedback_of(per_channel=self.per_channel).damping
        weights = quantize_weights(layer, exact, covariance, damping)
        self.weight_scales[layer.name] = weights.scale
        self.real_weights[layer.name] = weights.real
        before = self.statistics.mean_patches[layer.name]
        stored, out = self._values[layer.inputs[0]], self.graph.tensor_out(layer)
        after = mean_patch(layer, stored, source.zero_point, out) * source.scale
        bias = corrected_bias(layer, weights, before, after)
        return StoredWeights(weights.values, weights.scale, bias)


def _with_small_factors(target: QuantParams, source: QuantParams, scale: Array) -> QuantParams:
    """`target` widened until no requantisation factor is above `LARGEST_FACTOR`."""
    least = source.scale * float(scale.max()) / LARGEST_FACTOR
    if target.scale > least:
        return target
    # A little above, so that rounding to float32 cannot bring it back.
    widened = least * (1 + 1e-6)
    low = (-128 - target.zero_point) * widened
    return affine(low, low + 255 * widened)
