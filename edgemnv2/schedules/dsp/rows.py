"""What the row kernels of both Cortex-M families share: tiles of a row, its last touches."""

from __future__ import annotations

from collections.abc import Mapping

from edgemnv2.ops.graph import Tensor
from edgemnv2.ops.kernel import RowLayout
from edgemnv2.tir.row_function import At, Call

__all__ = [
    "clamp_and_pad",
    "clamps",
    "int8_io",
    "int8_zero_point",
    "pixel_tiles",
    "row_layout",
    "with_starts",
]


def pixel_tiles(width: int) -> list[tuple[int, int, int]]:
    """A row as `(first pixel, pixels per tile, tiles)`: fours and threes, which cost the same.

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
    return with_starts([(4, fours), (3, threes), (rest, 1 if rest else 0)])


def with_starts(tiles: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """`(pixels, tiles)` runs with the pixel that each starts at; empty runs are left out."""
    start, placed = 0, []
    for pixels, count in tiles:
        if pixels and count:
            placed.append((start, pixels, count))
        start += pixels * count
    return placed


def row_layout(layouts: Mapping[str, RowLayout], tensor: Tensor) -> RowLayout:
    """How `tensor` lies in memory."""
    return layouts.get(tensor.name, RowLayout())


def int8_io(*tensors: Tensor) -> bool:
    """Whether all of `tensors` are quantised int8."""
    return all(tensor.dtype == "int8" and tensor.quant is not None for tensor in tensors)


def int8_zero_point(tensor: Tensor) -> int:
    """The zero point of `tensor` as int8; uint8 values are taken with their top bit flipped."""
    assert tensor.quant is not None
    return tensor.quant.zero_point - (128 if tensor.dtype == "uint8" else 0)


def clamps(clamp: tuple[float, float]) -> tuple[int, int] | None:
    """The clamp where it is narrower than int8, which the kernels saturate to anyway."""
    low, high = max(-128, int(clamp[0])), min(127, int(clamp[1]))
    return None if (low, high) == (-128, 127) else (low, high)


def clamp_and_pad(
    clamp: tuple[float, float], layout: RowLayout, out: Tensor, rows: int = 1
) -> list[Call]:
    """What completes a row: a clamp narrower than int8, the padding columns."""
    assert out.quant is not None
    pitch = layout.left + out.width + layout.right
    calls = []
    narrow = clamps(clamp)
    if narrow:
        calls.append(Call("edgemnv2_clamp_row", (At("out"), pitch * out.channels * rows, *narrow)))
    if layout.left or layout.right:
        columns = (pitch, layout.left, layout.right, out.quant.zero_point)
        calls.append(Call("edgemnv2_pad_columns", (At("out"), out.channels, *columns)))
    return calls
