"""The mean over the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import BlockRole, Graph, Layer, Tensor
from edgemnv2.ops.values import halves_of_means

__all__ = ["GlobalAveragePool"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class GlobalAveragePool(Layer):
    """Mean over height and width, `[H, W, C]` to `[1, 1, C]`; of several operands, over all.

    Float: sum / count. Integer with `requantize` (TFLite MEAN, ONNX): `sum - count * zx`,
    requantised by a factor that has 1/count in it, `+ zy`. Integer without (TFLite
    AVERAGE_POOL_2D; same scale on both sides): the sum divided by count, halves away from zero.
    """

    clamp: tuple[float, float]
    requantize: Requantize | None = None

    def pixels(self, graph: Graph) -> int:
        """Over how many pixels the mean is: those of all its operands, parts of one map."""
        return sum(graph.tensors[name].height * graph.tensors[name].width for name in self.inputs)

    @property
    def op(self) -> str:
        """`pool`."""
        return "pool"

    @property
    def keeps_storage(self) -> bool:
        """TFLite's AVERAGE_POOL_2D averages what is stored."""
        return self.requantize is None

    def rounds_storage(self, source: Tensor) -> bool:
        """Halves are rounded away from zero; only even counts make some."""
        return self.requantize is None and source.height * source.width % 2 == 0

    def share_of_halves(self, source: Tensor) -> float:
        """Of means of the whole map; of parts, of two at least."""
        return halves_of_means(source.height * source.width if len(self.inputs) == 1 else 2)

    @property
    def block_role(self) -> BlockRole:
        """Between head and classifier."""
        return "pool"

    @property
    def keeps_proportions(self) -> bool:
        """A mean of every channel by itself."""
        return True
