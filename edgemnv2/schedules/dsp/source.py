"""C functions as text: the row loops around the micro-kernels of `runtime/kernels`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgemnv2.graph import Tensor
from edgemnv2.kernel import RowLayout
from edgemnv2.schedules.builder import symbol_name

__all__ = ["clamp_and_pad", "function", "int8_io", "pixel_tiles", "row_layout"]


def function(
    kind: str, description: Mapping[str, Any], parameters: Sequence[str], body: Sequence[str]
) -> tuple[str, str]:
    """Symbol and definition of a C function; `description` holds all that shapes the body."""
    symbol = symbol_name(kind, {**description, "body": tuple(body)})
    lines = [f"void {symbol}({', '.join(parameters)})", "{", *(f"    {x}" for x in body), "}", ""]
    return symbol, "\n".join(lines)


def pixel_tiles(width: int) -> list[tuple[int, int]]:
    """A row as `(pixels per tile, tiles)`: fours and threes, which cost the same per pixel.

    Only rows of 1, 2 and 5 pixels need smaller tiles.
    """
    fours, rest = divmod(width, 4)
    threes = 0
    if rest == 3:
        threes, rest = 1, 0
    elif rest == 2 and fours >= 1:
        fours, threes, rest = fours - 1, 2, 0
    elif rest == 1 and fours >= 2:
        fours, threes, rest = fours - 2, 3, 0
    elif rest == 1 and fours == 1:
        fours, threes, rest = 0, 1, 2
    tiles = [(4, fours), (3, threes), (rest, 1 if rest else 0)]
    return [(pixels, count) for pixels, count in tiles if count]


def row_layout(layouts: Mapping[str, RowLayout], tensor: Tensor) -> RowLayout:
    """How `tensor` lies in memory."""
    return layouts.get(tensor.name, RowLayout())


def int8_io(*tensors: Tensor) -> bool:
    """Whether all of `tensors` are quantised int8."""
    return all(tensor.dtype == "int8" and tensor.quant is not None for tensor in tensors)


def clamp_and_pad(
    clamp: tuple[float, float], layout: RowLayout, out: Tensor, rows: int = 1
) -> list[str]:
    """C statements that complete a row: a clamp narrower than int8, the padding columns."""
    assert out.quant is not None
    low, high = max(-128, int(clamp[0])), min(127, int(clamp[1]))
    pitch = layout.left + out.width + layout.right
    statements = []
    if (low, high) != (-128, 127):
        size = pitch * out.channels * rows
        statements.append(f"edgemnv2_clamp_row(out, {size}, {low}, {high});")
    if layout.left or layout.right:
        statements.append(
            f"edgemnv2_pad_columns(out, {out.channels}, {pitch}, {layout.left}, {layout.right}, "
            f"{out.quant.zero_point});"
        )
    return statements
