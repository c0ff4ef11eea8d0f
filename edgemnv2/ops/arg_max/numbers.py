"""What both formats make of their arg max."""

from __future__ import annotations

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, SourceNode

__all__ = ["add_arg_max"]


def add_arg_max(
    node: SourceNode, flow: FlowBuilder, axis: int, smallest: bool, last: bool = False
) -> None:
    """The node over `axis`, and a reshape where the output has no such axis."""
    source, output = node.input(0), node.output
    stored = flow.stored(source)
    if isinstance(stored, Constant):
        raise Refusal("a constant operand", "remove it before the export")
    axis %= len(source.shape)
    kept = tuple(1 if i == axis else extent for i, extent in enumerate(source.shape))
    attrs = {"axis": axis, "smallest": smallest, "last": last}
    if kept == output.shape:
        flow.move("arg_max", [stored], output, attrs)
        return
    inner = flow.add("arg_max", [stored], flow.fresh(output, output.dtype, kept), attrs)
    flow.move("reshape", [inner], output, {"shape": output.shape})
