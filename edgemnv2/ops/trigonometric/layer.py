"""The trigonometric layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Trigonometric"]


@dataclass(frozen=True, eq=False)
class Trigonometric(Unary):
    """Sine ("sin") or cosine ("cos") of each value, in radians, or its arctangent ("atan")."""

    mode: str = "sin"

    @property
    def needs_float32(self) -> bool:
        """float16 has no place behind the point above 1024, where angles may be."""
        return True
