"""Negation in NumPy."""

from __future__ import annotations

from edgemnv2.ops.unary import unary_reference

__all__ = ["run"]

run = unary_reference(lambda x, _: -x)
