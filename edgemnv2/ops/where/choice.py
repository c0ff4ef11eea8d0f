"""What both formats make of a choice."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, SourceTensor

__all__ = ["add_where"]


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
