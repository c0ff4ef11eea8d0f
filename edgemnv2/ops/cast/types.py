"""What both formats make of conversions."""

from __future__ import annotations

import numpy as np

from edgemnv2.model import QuantParams
from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, SourceTensor

__all__ = ["add_cast"]

FLOATS = ("float16", "float32")
INTEGERS = ("int8", "uint8", "int32", "int64")
EIGHT_BITS = ("int8", "uint8")


def add_cast(flow: FlowBuilder, source: SourceTensor, output: SourceTensor) -> None:
    """`output` is `source` as numbers of its own type."""
    stored = flow.stored(source)
    if output.truth and not source.truth:
        # Everything but zero is true.
        zero = Constant(np.zeros((), np.float32))
        flow.compute("not_equal", [flow.real(source), zero], output)
        return
    if isinstance(stored, Constant):
        flow.alias(output, Constant(stored.real().astype(output.dtype)))
        return
    known = {*FLOATS, *INTEGERS}
    if source.dtype not in known or output.dtype not in known:
        raise Refusal(
            f"{source.dtype} to {output.dtype}",
            "convert in front of the network or behind it",
            f"Types are {', '.join(sorted(known))}",
        )
    if source.dtype == output.dtype or {source.dtype, output.dtype} <= set(FLOATS):
        # Floats of 16 bits are computed in 32.
        flow.alias(output, stored)
        return
    for tensor in (source, output):
        if tensor.dtype in EIGHT_BITS and not tensor.is_quantized:
            # The numbers themselves.
            flow.quants.setdefault(tensor.name, QuantParams(1.0, 0))
    flow.move("cast", [stored], output, {"dtype": np.dtype(output.dtype).name})
