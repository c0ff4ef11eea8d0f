"""All constants of an artefact as one read-only blob: one aligned stretch per operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgemnv2.ops.kernel import RowKernel, constant_offsets

__all__ = ["ConstantBlob", "pack_constants", "words"]


@dataclass(frozen=True)
class ConstantBlob:
    """The bytes, and where each operation's constants begin in them."""

    data: bytes
    offset: Mapping[str, int]


def pack_constants(kernels: Mapping[str, RowKernel]) -> ConstantBlob:
    """The constants of `kernels` (by operation name), in order; equal stretches are kept once."""
    data = bytearray()
    offset: dict[str, int] = {}
    known: dict[bytes, int] = {}
    for name, kernel in kernels.items():
        offsets = constant_offsets(kernel)
        stretch = bytearray(offsets[-1])
        for start, array in zip(offsets, kernel.constants, strict=False):
            stretch[start : start + array.nbytes] = np.ascontiguousarray(array).tobytes()
        key = bytes(stretch)
        if key not in known:
            known[key] = len(data)
            data += stretch
        offset[name] = known[key]
    return ConstantBlob(bytes(data), offset)


def words(data: bytes) -> str:
    """`data` (padded to whole words) as the initialiser of a little-endian uint32_t array."""
    padded = data + bytes(-len(data) % 4)
    numbers = np.frombuffer(padded, "<u4")
    lines = []
    for start in range(0, len(numbers), 10):
        lines.append(",".join(f"0x{n:08x}" for n in numbers[start : start + 10].tolist()))
    return ",\n".join(lines)
