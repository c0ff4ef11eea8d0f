"""What both formats must hold of slopes."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, SourceNode

__all__ = ["check_slopes"]


def check_slopes(node: SourceNode, flow: FlowBuilder) -> None:
    """Refusal where slopes are computed, or would spread the values."""
    source, slope = node.input(0), node.input(1)
    if not isinstance(flow.stored(slope), Constant):
        raise Refusal(f"slopes {slope.name!r} that are computed", "export them as parameters")
    if np.broadcast_shapes(source.shape, slope.shape) != source.shape:
        raise Refusal(
            f"slopes {list(slope.shape)} of {list(source.shape)}",
            "export one slope a channel",
            "Slopes fit the values",
        )
