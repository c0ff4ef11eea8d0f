"""The inputs and outputs of an artefact, as its C interface has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgemnv2.ops.graph import Tensor

__all__ = ["C_TYPES", "InterfaceEnd"]

C_TYPES = {
    "float32": "float",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "float16": "uint16_t",
}


@dataclass(frozen=True)
class InterfaceEnd:
    """One input or output: its field in the structure, and what the header says about it.

    `tensor` names the rows in the program; `offset_bytes` is its place in the arena, with io
    "arena".
    """

    field: str
    tensor: str
    height: int
    width: int
    channels: int
    dtype: str
    scale: float | None = None
    zero_point: int | None = None
    offset_bytes: int = 0

    @staticmethod
    def of(tensor: Tensor, field: str, rows: str, offset_bytes: int = 0) -> InterfaceEnd:
        """The end that is the graph's `tensor`, whose rows the program calls `rows`."""
        quant = tensor.quant if tensor.dtype != "float32" else None
        return InterfaceEnd(
            field,
            rows,
            *tensor.shape,
            tensor.dtype,
            None if quant is None else quant.scale,
            None if quant is None else quant.zero_point,
            offset_bytes,
        )

    @property
    def c_type(self) -> str:
        """The type of its elements in C."""
        return C_TYPES[self.dtype]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, NHWC."""
        return self.width * self.channels * np.dtype(self.dtype).itemsize

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole tensor."""
        return self.height * self.row_bytes
