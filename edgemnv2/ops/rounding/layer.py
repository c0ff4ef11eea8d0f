"""The rounding layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Rounding"]


@dataclass(frozen=True, eq=False)
class Rounding(Unary):
    """A whole number for each value: not below it ("ceil"), not above it ("floor"), or the nearest,
    halves to even ("round").

    `keeps_sign` says what becomes of what is below zero and rounded to it: -0.0, as IEEE 754 has
    it, or 0.0. What has no whole number (NaN) or is one, infinities and -0.0 too, stays.
    """

    mode: str = "round"
    keeps_sign: bool = True
