"""The imported network: its flow, and the tensors that it exchanges with the user."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.model import SourceFormat, TensorSpec
from edgemnv2.ops.flow import Flow

__all__ = ["Model"]


@dataclass(frozen=True)
class Model:
    """A network as imported, in the source file's own layout and arithmetic.

    Quantised files come as quantise / dequantise nodes around operators on real numbers (QDQ),
    whatever their source format.
    """

    name: str
    flow: Flow
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    source: str
    """File name without folder, or the built-in name."""
    sha256: str
    """Of the source file, or of the built-in name and its seed."""
    format: SourceFormat
    """Whose integer arithmetic the network's own is: the seeded built-in networks have TFLite's."""
