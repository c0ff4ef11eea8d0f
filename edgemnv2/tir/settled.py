"""Products that are rounded before they are added to, on every machine.

Where a product is added to, the sum would be rounded once or twice, as the processor and compiler
have it. So products pass through the integers on their way, with a zero added that no compiler
knows.
"""

from __future__ import annotations

from typing import Any

from edgemnv2.tir.builder import Builder, cast, load, reinterpret

__all__ = ["Settled"]

Expr = Any


class Settled:
    """Rounds products before they are added to; `zeros` is a buffer of one int64 zero."""

    def __init__(self, k: Builder, zeros: Any) -> None:
        self.k = k
        self._zero = {"float64": k.let(load(zeros, 0, "int64"))}
        self._zero["float32"] = k.let(cast(self._zero["float64"], "int32"))

    def product(self, a: Expr, b: Expr, dtype: str) -> Expr:
        """`a * b` rounded to `dtype`."""
        k, bits = self.k, "int64" if dtype == "float64" else "int32"
        rounded = reinterpret(k.keep(a * b, dtype), bits)
        return k.keep(reinterpret(k.keep(rounded + self._zero[dtype], bits), dtype), dtype)
