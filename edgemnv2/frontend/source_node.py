"""A node of a model file, in the terms that ONNX and TFLite share: what constraints read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

__all__ = ["SourceNode", "SourceTensor"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class SourceTensor:
    """A tensor of the file; `shape` None where unknown, `value` where constant."""

    name: str
    shape: tuple[int, ...] | None
    dtype: str
    value: Array | None = None
    constant: bool = False


@dataclass(frozen=True, eq=False)
class SourceNode:
    """A node of the file, its attributes under names that both formats share.

    `stride`, `dilation`, `kernel` (y, x), `group`, `activation`, `axes`, `permutation`, `mode`,
    `beta`, `training`: present where the operator has them. `place` says where, for messages.
    """

    operator: str
    place: str
    inputs: tuple[SourceTensor | None, ...]
    output: SourceTensor
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def input(self, index: int) -> SourceTensor | None:
        """Input `index`, None where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None
