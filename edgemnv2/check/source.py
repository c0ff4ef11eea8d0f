"""Our reference against the framework that made the file: an import fault cannot pass.

The NumPy reference and every compiled output come from one import, so they agree even where that
import is wrong. Here the reference is held against the framework itself, and the first layer that
differs is named.

TFLite's integers are equal to the end, floats within 1e-4 of the largest output. Where that cannot
be (ONNX leaves open how integers are rounded, LiteRT rounds activations of dynamic-range networks
on the way, float16 is computed in float32 here, the last bits of floats decide about near ties),
layer by layer decides: every layer gets the framework's own inputs, and may differ by what that one
layer explains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.check.decisions import decided_by_floats
from edgemnv2.check.frameworks import open_source
from edgemnv2.check.layers import FLOAT_TOLERANCE, LayerErrors, compare_layers
from edgemnv2.model import DYNAMIC_RANGE, FLOAT16, FLOAT64, LITERT_SUM, QuantParams
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.reduce.layer import Reduce
from edgemnv2.samples.images import to_source

__all__ = ["SourceCheck", "check_source"]

Array = NDArray[Any]

FLOAT16_TOLERANCE = 4e-3
"""Of a layer's largest value: a few roundings to the 11 bits of float16."""
ONE_STEP = 1.0
"""Of stored values: what rounding a single layer otherwise can do."""
MOST_SHARE, FEW = 1e-3, 8
"""Of a layer's values may be a step off, and so many where it has few. One in a million is, since
onnxruntime computes in floats; all are where a zero point is wrong by one."""
MOST_SHARE_BUILT_IN = 1e-2
"""Of a layer's values on LiteRT's other kernels, which round a sum once where the reference rounds
it twice: 3 in a thousand were seen."""
BUILT_IN = "LiteRT has no reference kernel of some operator, and its others round sums otherwise"
FEW_ENTRIES = 2
"""Of the 256 of a table, computed in double here and in float32 there, may be a step off."""
MOST_SHARE_OF_SOFTMAX = 0.5
"""Of what a softmax makes: TFLite's integer softmax is not onnxruntime's float one."""
BITS = 127
"""Levels of an activation that is rounded to 8 bits, on either side of zero."""


NUMBERS = QuantParams(1.0, 0)
"""Of integers that are counted, not measured: nothing is rounded to them."""


@dataclass(frozen=True)
class SourceCheck:
    """What the framework says of our reference. `layer` is the first that is wrong, None for none.

    `different` of `elements` output values differ, by `max_abs_error` at most (stored values).
    `judged_by` is "outputs", or "layers" where outputs may differ for `reason`; then
    `layer_different` of `layer_elements` values of single layers differ.
    `same_class` is the percentage of output vectors whose largest value is at the same place.
    """

    passed: bool
    framework: str
    samples: int
    elements: int
    different: int
    max_abs_error: float
    layer: str | None = None
    tensor: str | None = None
    judged_by: str = "outputs"
    reason: str | None = None
    layer_elements: int = 0
    layer_different: int = 0
    same_class: float = 100.0

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def check_source(graph: Graph, source: Path, batch: Array | Mapping[str, Array]) -> SourceCheck:
    """Run `batch` through both, sample by sample.

    It is `[N, H, W, C]` of the graph's own input type, or one such array for each input by name.

    Raises InputError where the framework refuses the file.
    """
    if isinstance(batch, np.ndarray):
        batch = {graph.input_specs[0].name: batch}
    judge, outputs = open_source(source), _Outputs()
    layers: dict[str, LayerErrors] = {}
    integers = any(x.quant is not None for x in graph.tensors.values())
    rounds_otherwise = judge.rounds_otherwise and integers
    reason = _drifts(graph) or (BUILT_IN if rounds_otherwise else None)
    decided = decided_by_floats(graph)
    allowance = partial(_allowed, reason=reason, rounds_otherwise=rounds_otherwise)
    has_near_ties = False
    makers = {layer.output: layer.name for layer in graph.layers}
    samples = min(len(array) for array in batch.values())
    for index in range(samples):
        sample = {name: array[index : index + 1] for name, array in batch.items()}
        ours = run(graph, sample, keep=False)
        theirs = judge(
            {spec.name: to_source(sample[spec.name], spec) for spec in graph.input_specs}
        )
        unequal = []
        for name, end in zip(graph.outputs, graph.output_specs, strict=True):
            if outputs.add(to_source(ours[name], end), theirs[end.name]):
                unequal.append((name, end))
        if reason is not None or outputs.first is not None or unequal:
            own = compare_layers(graph, sample, theirs, layers, allowance)
        for name, end in unequal:
            if name in decided and not _unequal(to_source(own[name], end), theirs[end.name])[0]:
                has_near_ties = True
            elif outputs.first is None:
                outputs.first = makers.get(name, name), end.name
    share = MOST_SHARE_BUILT_IN if rounds_otherwise else MOST_SHARE
    wrong = next(((x.layer, x.tensor) for x in layers.values() if _is_wrong(graph, x, share)), None)
    if reason is None and outputs.first is None and has_near_ties:
        reason = "the last bits of floats decide about near ties"
    if wrong is None and reason is None:
        # The outputs are what is left.
        wrong = outputs.first
    return SourceCheck(
        passed=not outputs.different if reason is None else outputs.alike and wrong is None,
        framework=judge.framework,
        samples=samples,
        elements=outputs.elements,
        different=outputs.different,
        max_abs_error=outputs.worst,
        layer=None if wrong is None else wrong[0],
        tensor=None if wrong is None else wrong[1],
        judged_by="outputs" if reason is None else "layers",
        reason=reason,
        layer_elements=sum(x.values for x in layers.values()) if reason else 0,
        layer_different=sum(x.different for x in layers.values()) if reason else 0,
        same_class=outputs.same_class(),
    )


class _Outputs:
    """Counts over all outputs of all samples."""

    def __init__(self) -> None:
        self.elements = self.different = self.vectors = self.same = 0
        self.worst = 0.0
        self.first: tuple[str, str] | None = None
        """Layer and tensor of the file, of the first output that differs."""
        self.alike = True
        """Whether all have the shapes and kinds of type that they should."""

    def add(self, mine: Array, other: Array) -> bool:
        """Whether they differ by more than they may."""
        self.elements += mine.size
        if mine.shape != other.shape or (mine.dtype.kind == "f") != (other.dtype.kind == "f"):
            self.alike, self.worst = False, float("inf")
            self.different += mine.size
            return True
        different, worst = _unequal(mine, other)
        self.different += different
        self.worst = max(self.worst, worst)
        if mine.shape and mine.shape[-1] > 1:
            places = mine.argmax(-1) == other.argmax(-1)
            self.vectors, self.same = self.vectors + places.size, self.same + int(places.sum())
        return different > 0

    def same_class(self) -> float:
        return 100.0 * self.same / self.vectors if self.vectors else 100.0


def _unequal(mine: Array, other: Array) -> tuple[int, float]:
    """How many values differ by more than they may, and by how much at most."""
    gap = np.abs(mine.astype(np.float64) - other.astype(np.float64))
    allowed = 0.0
    if mine.dtype.kind == "f":
        finite = np.abs(other[np.isfinite(other)])
        allowed = FLOAT_TOLERANCE * float(finite.max(initial=1e-6))
    return int((~(gap <= allowed)).sum()), float(gap.max(initial=0.0))


def _drifts(graph: Graph) -> str | None:
    """Why outputs may differ from the framework's though every layer is right, or None."""
    kinds = {note.kind for note in graph.notes}
    if DYNAMIC_RANGE in kinds:
        return "it rounds the activations of dynamic-range networks to 8 bits on the way"
    if FLOAT16 in kinds:
        return "float16 is computed in float32"
    if FLOAT64 in kinds:
        return "float64 is computed in float32"
    if LITERT_SUM in kinds:
        return "its reference kernel of SUM reads int8 as uint8"
    quants = {x.quant for x in graph.tensors.values()} - {None, NUMBERS}
    if graph.format == "onnx" and quants:
        return "onnxruntime computes QDQ networks in floats, whose last bits decide about halves"
    if _rounds_computed_floats(graph):
        return "floats that differ in their last bits are quantised"
    return None


def _rounds_computed_floats(graph: Graph) -> bool:
    """Whether floats that some layer computes (not an input, not mere integers) are quantised."""
    computed: set[str] = set()
    for layer in graph.layers:
        from_computed = any(name in computed for name in layer.inputs)
        out = graph.tensor_out(layer)
        if out.dtype == "float32":
            if from_computed or not layer.moves_values:
                computed.add(layer.output)
        elif from_computed and out.quant is not None:
            return True
    return False


def _is_wrong(graph: Graph, found: LayerErrors, most: float) -> bool:
    """Whether no rounding of one layer explains what differs: `most` may be a step off."""
    if found.excess:
        return True
    layer = next(x for x in graph.layers if x.name == found.layer)
    makers = {x.output: x for x in graph.layers}
    near = [layer, *(makers[name] for name in layer.inputs if name in makers)]
    share = MOST_SHARE_OF_SOFTMAX if any(x.makes_probabilities for x in near) else most
    share += max(x.share_of_halves(graph.tensor_in(x)) for x in near)
    # A step off is what `excess` lets pass; more is of layers that are not judged.
    steps = found.integer and found.largest <= ONE_STEP
    if steps and 0 < found.entries <= FEW_ENTRIES:
        # Many values can have the one entry that lies next to a half.
        return False
    return steps and found.different > max(share * found.values, FEW)


def _allowed(
    graph: Graph,
    layer: Layer,
    inputs: Sequence[Array],
    right: Array,
    reason: str | None,
    rounds_otherwise: bool,
) -> float:
    """By how much an output value of one layer may differ from the framework's."""
    kinds = {note.kind for note in graph.notes}
    if LITERT_SUM in kinds and right.dtype == np.int8:
        # This is a reference kernel's own fault; its others are exact.
        is_sum = isinstance(layer, Reduce) and layer.function == "sum"
        return np.inf if is_sum else ONE_STEP * (rounds_otherwise or _rounds_computed_floats(graph))
    if right.dtype.kind != "f":
        return ONE_STEP if reason is not None and right.dtype.itemsize == 1 else 0.0
    finite = np.abs(right[np.isfinite(right)])
    share = FLOAT16_TOLERANCE if FLOAT16 in kinds else FLOAT_TOLERANCE
    allowed = share * float(finite.max(initial=1e-6))
    if DYNAMIC_RANGE in kinds and layer.is_float_product:
        # An activation is off by one of 127 levels at most, the sum by as many as there are weights
        # to it.
        weight = np.abs(layer.parameters[0].astype(np.float64))
        per_output = weight.reshape(-1, weight.shape[-1]).sum(axis=0)
        allowed += float(np.abs(inputs[0]).max()) / BITS * float(per_output.max())
    return allowed
