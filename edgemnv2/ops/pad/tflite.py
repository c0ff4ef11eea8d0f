"""Import rules of TFLite: padding."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def pad(node: SourceNode, flow: FlowBuilder) -> None:
    """Sizes are constants."""
    source = node.input(0)
    sizes = node.value(1, "sizes").reshape(-1, 2)
    pairs = tuple((int(before), int(after)) for before, after in sizes)
    quant = source.quant if source.is_quantized else None
    value = 0.0 if quant is None else float(quant.zero_point)
    if len(node.inputs) > 2:
        value = float(node.value(2, "a fill value").reshape(-1)[0])
    attrs = {"pairs": pairs, "value": value, "mode": "constant"}
    flow.move("pad", [flow.stored(source)], node.output, attrs)


RULES: dict[str, Rule] = {"PAD": pad, "PADV2": pad}
