"""A network as a list of operators with sizes: enough to count its work, weights and channels.

Nothing here computes; the paper's tables are arithmetic over these lists. A size is the side of a
square activation, channels are whole numbers, batch is 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Operator", "macs", "parameters"]


@dataclass(frozen=True)
class Operator:
    """One operator: `[size, size, channels_in]` to `[size / stride, size / stride, channels_out]`.

    `kind` is "conv" (dense or in `groups`), "depthwise", "pool" (to 1x1 with `kernel` = `size`, or
    a window) or "concat" (branches of `channels_in` in all become one activation). `norm`: batch
    normalisation follows. `inner`: the output is the disposable tensor inside a block, which the
    paper's section 5.1 does not count as memory.
    """

    name: str
    kind: str
    size: int
    channels_in: int
    channels_out: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    norm: bool = True
    inner: bool = False
    dilation: int = 1

    @property
    def size_out(self) -> int:
        """Side of the output; convolutions are padded to keep size / stride, rounded up."""
        if self.kind == "pool" and self.kernel == self.size:
            return 1
        return -(-self.size // self.stride)

    @property
    def weights(self) -> int:
        """Weights of the convolution itself, without bias and batch normalisation."""
        if self.kind == "depthwise":
            return self.kernel * self.kernel * self.channels_out
        if self.kind == "conv":
            return self.kernel**2 * (self.channels_in // self.groups) * self.channels_out
        return 0

    @property
    def macs(self) -> int:
        """Multiply-adds, every output pixel at full price (also where the window is cut off)."""
        return self.size_out * self.size_out * self.weights

    @property
    def macs_in_batches(self) -> int:
        """Multiply-adds where a dilated convolution is run as a plain one over every n-th pixel.

        The map is padded to a multiple of the dilation then (TensorFlow's SpaceToBatchND).
        """
        side = -(-self.size_out // self.dilation) * self.dilation
        return side * side * self.weights


def macs(operators: Iterable[Operator]) -> int:
    """Multiply-adds of a network."""
    return sum(operator.macs for operator in operators)


def parameters(operators: Iterable[Operator], norm: bool = False) -> int:
    """Weights and the classifier's bias; with `norm` also scale and shift of each normalisation.

    The published counts of the MobileNetV2 checkpoints leave the normalisation out.
    """
    total = 0
    for operator in operators:
        total += operator.weights
        if operator.weights:
            total += 2 * operator.channels_out * norm if operator.norm else operator.channels_out
    return total
