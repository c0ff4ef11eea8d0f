"""What surrounds the matrix product of a 1x1 convolution or a stem, on every vector unit.

A family brings the product (tiles, packing, epilogue) as a `RowGemm`; the function around it, its
parameters and its description are the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from edgemnv2.ops.convolution.layer import Convolution
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["Ends", "Pointers", "RowGemm", "pointwise_kernel_of", "stem_builder"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Ends:
    """Types and zero points (0 for floats) of what a layer reads and writes."""

    source: str
    out: str
    zero_in: int
    zero_out: int

    @staticmethod
    def of(graph: Graph, layer: Convolution) -> Ends:
        """Those of the layer's own tensors."""
        source, out = graph.tensor_in(layer), graph.tensor_out(layer)
        return Ends(
            source.dtype,
            out.dtype,
            source.quant.zero_point if source.quant else 0,
            out.quant.zero_point if out.quant else 0,
        )


@dataclass(frozen=True)
class Pointers:
    """Parameters of the function: input, output, packed weights, bias or parameters, scratch."""

    x: Any
    out: Any
    weights: Any
    second: Any
    scratch: Any = None


class RowGemm(Protocol):
    """`[pixels, depth] x weight` `[depth, N]` with bias and epilogue, pixel by pixel in a row."""

    @property
    def dtype(self) -> str:
        """Of pixels."""

    @property
    def out_dtype(self) -> str:
        """Of what is stored."""

    @property
    def weights_dtype(self) -> str:
        """Of the packed weights."""

    @property
    def second_dtype(self) -> str:
        """Of biases or requantisation parameters."""

    @property
    def scratch_dtype(self) -> str:
        """Of the scratch, where `emit` needs any."""

    def key(self) -> dict[str, Any]:
        """What of this shapes the code."""

    def constants(self) -> Sequence[Array]:
        """Packed weights, packed biases or requantisation parameters."""

    def scratch_bytes(self, pixels: int, mr: int, order: str) -> int:
        """Scratch that `emit` needs."""

    def emit(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """Emit all tiles of `pixels` pixels."""


def pointwise_kernel_of(
    gemm: RowGemm, width: int, rows_per_step: int, decisions: Mapping[str, Any]
) -> RowKernel:
    """The kernel of a 1x1 convolution for `rows_per_step` whole rows of `width` pixels."""
    pixels, mr, order = width * rows_per_step, int(decisions["mr"]), str(decisions["order"])
    description = {"pixels": pixels, "mr": mr, "order": order, **gemm.key()}
    symbol = symbol_name(f"pointwise_{gemm.dtype}", description)
    scratch_bytes = gemm.scratch_bytes(pixels, mr, order)

    def build() -> Builder:
        k = Builder(symbol)
        x, out = k.pointer("x", gemm.dtype), k.pointer("out", gemm.out_dtype)
        scratch = k.pointer("scratch", gemm.scratch_dtype) if scratch_bytes else None
        weights = k.pointer("weights", gemm.weights_dtype)
        second = k.pointer("parameters", gemm.second_dtype)
        gemm.emit(k, Pointers(x, out, weights, second, scratch), pixels, mr, order)
        return k

    return RowKernel(
        symbol=symbol,
        constants=tuple(gemm.constants()),
        scratch_bytes=scratch_bytes,
        rows_per_step=rows_per_step,
        code=Code(build),
        decisions=dict(decisions),
    )


def stem_builder(
    graph: Graph, layer: Convolution, gemm: RowGemm, decisions: Mapping[str, Any], *, unsigned: str
) -> tuple[Builder, list[Any], Pointers]:
    """The function of a stem that gathers receptive fields into scratch, begun.

    Besides it the pointers to the input rows, and those of the product, whose input is the
    scratch. `unsigned`: the type that uint8 rows are read as.
    """
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    description = {
        "width": out.width,
        "source": (
            source.width,
            source.channels,
            source.dtype,
            source.quant.zero_point if source.quant else 0,
        ),
        "kernel": layer.kernel,
        "stride": layer.stride[1],
        "left": layer.padding[1],
        "mr": int(decisions["mr"]),
        "order": str(decisions["order"]),
        **gemm.key(),
    }
    k = Builder(symbol_name(f"conv2d_{gemm.dtype}", description))
    stored = unsigned if source.dtype == "uint8" else source.dtype
    rows = [k.pointer(f"row{r}", stored) for r in range(layer.kernel[0])]
    output, scratch = k.pointer("out", gemm.dtype), k.pointer("scratch", gemm.scratch_dtype)
    weights = k.pointer("weights", gemm.weights_dtype)
    second = k.pointer("parameters", gemm.second_dtype)
    return k, rows, Pointers(scratch, output, weights, second, scratch)
