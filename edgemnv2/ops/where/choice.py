"""What both formats make of a choice."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.cast.types import add_cast
from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, SourceTensor

__all__ = ["add_one_hot", "add_where"]


def add_where(
    flow: FlowBuilder,
    condition: str | Constant,
    when: str | Constant,
    otherwise: str | Constant,
    output: SourceTensor,
) -> None:
    """`output` is `when` where `condition` is true, else `otherwise`; of what is stored."""
    operands = [condition, when, otherwise]
    if not output.is_quantized:
        operands = [x.decoded() if isinstance(x, Constant) else x for x in operands]
    if all(isinstance(x, Constant) for x in operands):
        values = [x.values for x in operands if isinstance(x, Constant)]
        chosen = np.where(values[0] != 0, values[1], values[2])
        flow.alias(output, Constant(np.asarray(chosen, values[1].dtype)))
        return
    flow.move("where", operands, output)


def add_one_hot(
    flow: FlowBuilder,
    indices: SourceTensor,
    output: SourceTensor,
    axis: int,
    depth: int,
    values: tuple[float, float],
    from_behind: bool,
) -> None:
    """`output` is `values[0]` where its place along `axis` is the index, else `values[1]`.

    `from_behind`: indices below zero count from the end.
    """
    rank = len(output.shape)
    apart = (*indices.shape[:axis], 1, *indices.shape[axis:])
    name = flow.fresh(indices, indices.dtype, apart)
    seen = flow.add("reshape", [flow.stored(indices)], name, {"shape": apart})
    across = [depth if i == axis else 1 for i in range(rank)]
    places = np.arange(depth, dtype=indices.dtype).reshape(across)
    wanted = (places, places - depth) if from_behind else (places,)
    found = [flow.truth("equal", [seen, Constant(x)], output) for x in wanted]
    if from_behind:
        both = SourceTensor.of_truths(f"{found[0]}.either", output.shape, None)
        flow.move("maximum", found, both)
        found = [both.name]
    when, otherwise = (Constant(np.array(x, np.float32)) for x in values)
    made = SourceTensor(flow.fresh(output), output.shape, "float32")
    add_where(flow, found[0], when, otherwise, made)
    if output.is_quantized and not output.truth:
        flow.result(made.name, output)
        return
    add_cast(flow, made, output)
