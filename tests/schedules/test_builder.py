"""The micro-kernel builder: what it emits, and the tiling arithmetic."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.schedules.neon.gemm import Step, steps_of
from edgemnv2.schedules.neon.held_gemm import held_steps
from edgemnv2.tir.builder import (
    Builder,
    build_module,
    element,
    load,
    scalar,
    split_tiles,
    symbol_name,
)
from edgemnv2.tir.tiling import channel_blocks, equal_runs, panels_of, pixel_tiles
from tests.schedules.kernel_harness import MACHINES


def copy_function(symbol: str = "copy") -> Builder:
    k = Builder(symbol)
    x, y = k.pointer("x", "float32"), k.pointer("y", "float32")
    sums = k.registers("float32x8", 1)
    with k.loop(4) as i:
        k.set(sums, 0, load(x, i * 8, "float32x8"))
        k.store(y, i * 8, element(sums, 0))
    return k


def test_objects_have_one_symbol_and_nothing_undefined(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    nm = require_tool("nm")
    module = build_module({"copy": copy_function().function()}, MACHINES["avx2"].llvm())
    module.write_to_file(str(tmp_path / "k.o"), "o")
    listing = subprocess.run(
        [nm, str(tmp_path / "k.o")], capture_output=True, text=True, check=True
    ).stdout
    strong = [line.split()[-2:] for line in listing.splitlines() if " T " in line]
    undefined = [line for line in listing.splitlines() if " U " in line]
    assert strong == [["T", "copy"]]
    assert undefined == []


def test_a_function_is_built_the_same_twice() -> None:
    first = build_module({"copy": copy_function().function()}, MACHINES["avx2"].llvm())
    second = build_module({"copy": copy_function().function()}, MACHINES["avx2"].llvm())
    assert first.inspect_source("asm") == second.inspect_source("asm")


@pytest.mark.parametrize("stored_first", [True, False])
def test_what_is_stored_to_under_its_own_name_has_no_views(stored_first: bool) -> None:
    """To LLVM these would be two memories: a load would overtake the store."""
    k = Builder("twice")
    y = k.pointer("y", "float32")
    acts = [lambda: k.store(y, 0, scalar(1.0, "float32")), lambda: k.view(y, 0)]
    first, second = acts if stored_first else acts[::-1]
    first()
    with pytest.raises(ValueError, match="under its own name"):
        second()


def test_symbols_depend_on_every_value_and_not_on_the_order() -> None:
    assert symbol_name("pw", {"K": 3, "N": 4}) == symbol_name("pw", {"N": 4, "K": 3})
    assert symbol_name("pw", {"K": 3, "N": 4}) != symbol_name("pw", {"K": 4, "N": 3})
    assert symbol_name("pw", {"K": 3}).isidentifier()


def test_an_unknown_intrinsic_is_refused() -> None:
    from edgemnv2.tir.builder import intrinsic

    with pytest.raises(ValueError, match=r"no intrinsic llvm\.nonsense"):
        intrinsic("llvm.nonsense", "int32")


@pytest.mark.parametrize("size", [1, 2, 4, 5, 7])
@pytest.mark.parametrize("total", [1, 3, 6, 7, 14, 15, 23, 49, 112])
def test_tiles_cover_every_item_once(total: int, size: int) -> None:
    covered: list[int] = []
    for start, count, tile in split_tiles(total, size):
        assert 1 <= tile <= size
        covered += range(start, start + count * tile)
    assert covered == list(range(total))


@pytest.mark.parametrize("depth", [*range(8, 70), 144, 1280])
@pytest.mark.parametrize(("size", "smallest"), [(16, 8), (16, 4), (8, 8), (8, 4)])
def test_steps_read_inside_the_pixel_and_count_each_channel_once(
    depth: int, size: int, smallest: int
) -> None:
    steps = steps_of(depth, size, smallest)
    assert steps is not None
    _assert_counted_once(steps, depth)


@pytest.mark.parametrize("depth", range(4, 90))
def test_steps_of_held_pixels_cover_no_more_than_a_quad_twice(depth: int) -> None:
    steps = held_steps(depth)
    _assert_counted_once(steps, depth)
    assert sum(step.size for step in steps) == -(-depth // 4) * 4


def _assert_counted_once(steps: list[Step], depth: int) -> None:
    counted: list[int] = []
    for step in steps:
        assert step.channel >= 0
        assert step.channel + step.size <= depth
        counted += range(step.channel + step.skip, step.channel + step.size)
    assert counted == list(range(depth))


def test_too_few_channels_have_no_steps() -> None:
    assert steps_of(3, 16, 4) is None
    assert steps_of(7, 16, 8) is None


@pytest.mark.parametrize("channels", [4, 5, 8, 12, 16, 21, 24, 45, 96, 1001])
def test_panels_end_with_the_last_channel(channels: int) -> None:
    panels = panels_of(channels, 8, 4)
    assert panels is not None
    assert {c for first, n in panels.blocks() for c in range(first, first + n)} == set(
        range(channels)
    )


def test_fewer_channels_than_the_narrowest_panel_have_no_panels() -> None:
    assert panels_of(3, 8, 4) is None


def test_edge_tiles_know_which_columns_exist() -> None:
    k = Builder("tiles")
    tiles = list(pixel_tiles(k, 4, 8, 2, 1, 2))
    assert [(start, count) for start, count, _ in tiles] == [(0, 2), (2, 2)]
    assert [tiles[0][2](c) for c in range(5)] == [False, True, True, True, True]


def test_channel_blocks_move_back_to_fit() -> None:
    assert list(channel_blocks(Builder("blocks"), 13, 8)) == [(0, 0), (5, 8)]


def test_runs_of_equal_flags() -> None:
    assert equal_runs([False, True, True]) == [(0, 1, False), (1, 3, True)]
