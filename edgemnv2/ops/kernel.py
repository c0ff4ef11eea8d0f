"""A row kernel: one layer as code that makes one row (or a few) of its output from rows of input.

The contract between schedules (which make these), streaming and memory (which need the sizes) and
code generation (which emits the calls). The emitted call of a kernel is

    void symbol(const T *row_0, ..., const T *row_{n-1}, U *out_0, ..., U *out_{m-1},
                [int32_t row,] [void *scratch,] const V *constant_0, ..., const V *constant_{k-1});

The rows come operand by operand, as the operation's `Read`s say (`program.Read.pointers`): a
pointer per row of the window (of a dilated one, per tap), or one to the first of rows that lie one
behind the other. A row that lies outside the image is a constant row of the read's
`fill` in read-only memory, or the edge row. The outputs come as its `Write`s say: each the address
of the first byte that the kernel makes. `row` is the row that it makes, counted by the operation.

`out` may be exactly the address of a row of the operation that it updates (the residual add, in
place), and overlaps nothing else. Kernels may read and write aligned to `ALIGN_BYTES` only where
their row layout guarantees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from edgemnv2.ops.graph import Tensor
from edgemnv2.tir.code import Code

__all__ = [
    "CONSTANT_ALIGN_BYTES",
    "RowKernel",
    "RowLayout",
    "constant_offsets",
    "with_shared_code",
]

CONSTANT_ALIGN_BYTES = 16
"""Of every constant array: the widest vector load that a kernel may assume aligned."""


@dataclass(frozen=True)
class RowLayout:
    """How one row of an activation lies in memory.

    `order` "WC" (pixel by pixel, as in NHWC) or "CW" (channel by channel); `left` and `right` are
    padding columns of the consumer, which the *producer* fills with the tensor's zero point.
    """

    order: str = "WC"
    left: int = 0
    right: int = 0

    def row_bytes(self, tensor: Tensor) -> int:
        """Bytes from one row to the next, before alignment."""
        return (self.left + tensor.width + self.right) * tensor.channels * tensor.itemsize


@dataclass(frozen=True, eq=False)
class RowKernel:
    """Code and constants that make `rows_per_step` rows of one layer's output.

    `code` may call what the runtime headers in `c_requires` define; None: those headers define the
    kernel itself. Layers whose code is identical share `symbol`.
    """

    symbol: str
    constants: tuple[NDArray[Any], ...]
    scratch_bytes: int = 0
    rows_per_step: int = 1
    code: Code | None = None
    c_requires: tuple[str, ...] = ()
    fuses: tuple[str, ...] = ()
    """Layers that this kernel computes besides its own: producers of its only input."""
    takes_row_number: bool = False
    """Whether it wants the row that it makes (interpolation weights differ from row to row)."""
    out_pitch: int = 0
    """Bytes from a pixel of its output to the next, where it makes a part of each (its `Write` has
    `pitch_bytes`); 0: pixels lie one behind the other."""
    schedule: str = "default"
    """"default", "fallback" or the tuning record's id."""
    decisions: Mapping[str, Any] = field(default_factory=dict)


def with_shared_code(kernel: RowKernel, codes: dict[str, Code]) -> RowKernel:
    """`kernel` with the code that `codes` has for its symbol, so that it is made once."""
    if kernel.code is None:
        return kernel
    return replace(kernel, code=codes.setdefault(kernel.symbol, kernel.code))


def constant_offsets(kernel: RowKernel) -> list[int]:
    """Offset of each constant array from the start of its kernel's stretch, and the end."""
    offsets = [0]
    for array in kernel.constants:
        end = offsets[-1] + array.nbytes
        offsets.append(-(-end // CONSTANT_ALIGN_BYTES) * CONSTANT_ALIGN_BYTES)
    return offsets
