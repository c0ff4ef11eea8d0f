"""The sigmoid layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.model import QuantParams
from edgemnv2.ops.unary import Unary

__all__ = ["INT8_OUTPUT", "Sigmoid"]

INT8_OUTPUT = QuantParams(1.0 / 256.0, -128)
"""All of 0 to 1: what TFLite knows int8 of."""


@dataclass(frozen=True, eq=False)
class Sigmoid(Unary):
    """`1 / (1 + exp(-x))` of each value."""
