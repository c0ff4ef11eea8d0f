"""What both formats make of the largest values."""

from __future__ import annotations

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, SourceNode

__all__ = ["add_top_k"]


def add_top_k(node: SourceNode, flow: FlowBuilder, axis: int, smallest: bool) -> None:
    """The values, and where the file has them, their numbers."""
    source = node.input(0)
    stored = flow.stored(source)
    (count,) = node.ints(1, "a count")
    axis %= len(source.shape)
    if isinstance(stored, Constant) or not 1 <= count <= source.shape[axis]:
        raise Refusal(f"{count} of {list(source.shape)}", "take as many as there are, or fewer")
    for output in node.outputs:
        # Either may be left out.
        numbers = output.dtype in ("int32", "int64")
        attrs = {"axis": axis, "smallest": smallest, "numbers": numbers}
        flow.move("top_k", [stored], output, attrs)
