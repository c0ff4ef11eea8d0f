"""The row kernels that any target can run: plain loops in TIR, from the operator's own folder.

They serve where a target family has no schedule of its own for a layer, and are what those
schedules are tested against.
"""

from __future__ import annotations

from typing import cast

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.table import operator_of, part

__all__ = ["plain_kernels"]


def plain_kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """Operation name -> kernel; one entry, or two for pooling (`name.sum` and `name`)."""
    return cast(dict[str, RowKernel], part(operator_of(layer), "kernel").kernels(graph, layer))
