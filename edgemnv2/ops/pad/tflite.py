"""Import rules of TFLite: padding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def pad(node: SourceNode, flow: FlowBuilder) -> None:
    """Sizes are constants, two for each dimension, none of them negative."""
    source = node.input(0)
    sizes = [int(x) for x in node.value(1, "sizes").reshape(-1)]
    if len(sizes) != 2 * len(source.shape) or min(sizes, default=0) < 0:
        raise Refusal(f"sizes {sizes} for {list(source.shape)}", "convert the model again")
    pairs = tuple(zip(sizes[::2], sizes[1::2], strict=True))
    # The output's, as LiteRT has it, should the file give it another.
    quant = node.output.quant if node.output.is_quantized else None
    value = 0.0 if quant is None else float(quant.zero_point)
    if len(node.inputs) > 2:
        value = float(node.value(2, "a fill value").reshape(-1)[0])
    stored = flow.stored(source)
    if isinstance(stored, Constant) and not stored.per_axis:
        padded = np.pad(stored.values, pairs, constant_values=stored.values.dtype.type(value))
        flow.alias(node.output, replace(stored, values=padded))
        return
    attrs = {"pairs": pairs, "value": value, "mode": "constant"}
    flow.move("pad", [stored], node.output, attrs)


RULES: dict[str, Rule] = {"PAD": pad, "PADV2": pad}
