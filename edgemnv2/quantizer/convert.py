"""The walk: a float network and calibration inputs -> the int8 network, layer by layer.

Ranges come from the float network's activations. Then the int8 network is built from its input to
its output: a layer's weights are rounded, its bias is corrected by the means that the quantised
network really has in front of it, and the integer layer runs, exactly as it will on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgemnv2.export.qdq_file import StoredNetwork, qdq_file
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.quantizer.float_run import ExactRun, Inputs
from edgemnv2.quantizer.quality import LayerMeter, LayerQuality
from edgemnv2.quantizer.statistics import batches, collect, count_of
from edgemnv2.quantizer.walk import Walk, outer_name
from edgemnv2.quantizer.weights import feedback_of

__all__ = ["Converted", "convert"]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Converted:
    """The int8 network and how well each of its layers follows the float one."""

    graph: Graph
    network: StoredNetwork
    quality: tuple[LayerQuality, ...]

    def file(self) -> bytes:
        """As ONNX QDQ."""
        return qdq_file(self.network)


def convert(
    graph: Graph,
    x: Inputs,
    *,
    per_channel: bool = True,
    method: str = "error",
    scores: Sequence[str] = (),
    progress: Progress = lambda stage, done, total: None,
) -> Converted:
    """`graph` in int8 between float32 inputs and outputs, calibrated on `x` `[N, H, W, C]`.

    `scores` names the tensors of class scores, of which the best ones matter.
    """
    feedback = feedback_of(per_channel=per_channel)
    statistics = collect(graph, x, scores, feedback, progress)
    walk = Walk(graph, statistics, per_channel, method)
    converted = walk.run(x, progress)
    quality = _compare(graph, converted, walk, x, progress)
    return Converted(converted, walk.stored_network(), quality)


def _compare(
    graph: Graph, converted: Graph, walk: Walk, x: Inputs, progress: Progress
) -> tuple[LayerQuality, ...]:
    """Both networks side by side on the inputs `x`: the quality of every layer."""
    meters: dict[str, LayerMeter] = {}
    for layer in graph.layers:
        if graph.tensor_out(layer).dtype == "float32":
            real = outer_name(layer.output)
            name = layer.output if layer.output in converted.tensors else real
            weights, reason = walk.real_weights.get(layer.name), walk.stays_float.get(layer.name)
            tensor = converted.tensors[name]
            meters[name] = LayerMeter(layer, tensor.quant, weights, stays_float=reason)
    run_float = ExactRun(graph)
    done, count = 0, count_of(x)
    for batch in batches(x):
        real_values, stored = run_float(batch), run(converted, batch)
        for name, meter in meters.items():
            meter.add(real_values[meter.tensor], stored[name])
        done += count_of(batch)
        progress("measure layers", done, count)
    return tuple(meter.quality() for meter in meters.values())
