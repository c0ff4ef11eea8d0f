"""What the plugin that traces blocks saw is what was executed, and a broken trace is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.errors import RunnerError
from edgemnv2.runners.block_trace import (
    Block,
    BlockTrace,
    Section,
    foreign_trace_arguments,
    trace_arguments,
)
from edgemnv2.runners.qemu_system import QemuSystemRunner
from edgemnv2.runners.qemu_user import QemuUserRunner
from tests.runners.tiny_artifact import make_tiny_artifact, tiny_samples

WRITTEN = """\
D 0 8000 2 01000200
B 0 3
E 0 4 2
D 4 8008 1 0300
B 4 2
M
D 7 8000 2 01000200
B 7 1
B 0 5
E 7 4 1
M
"""


def test_code_that_was_translated_twice_is_one_block(tmp_path: Path) -> None:
    (tmp_path / "blocks.txt").write_text(WRITTEN)
    trace = BlockTrace.read(tmp_path)
    first, second = bytes([1, 0, 2, 0]), bytes([3, 0])
    assert trace.blocks == (Block(0x8000, 2, first), Block(0x8008, 1, second))
    assert trace.sections == (
        Section({0: 3, 1: 2}, {(0, 1): 2}),
        Section({0: 6}, {(0, 1): 1}),
    )


@pytest.mark.parametrize("text", [None, "B 9 1\n", "D 0 zz 1 00\n", "B\n"])
def test_a_broken_trace_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "blocks.txt").write_text(text)
    with pytest.raises(RunnerError, match="wrote no trace"):
        BlockTrace.read(tmp_path)


@pytest.mark.parametrize(
    ("target", "tools"),
    [
        ("mps2-an500", ("qemu-system-arm", "arm-none-eabi-gcc")),
        ("rpi4", ("qemu-aarch64", "aarch64-linux-gnu-gcc")),
    ],
)
def test_executed_blocks_are_the_counted_instructions(
    tmp_path: Path, require_tool: Callable[[str], str], target: str, tools: tuple[str, ...]
) -> None:
    for tool in (*tools, "gcc"):
        require_tool(tool)
    artifact = make_tiny_artifact(tmp_path / "art", target)
    watch = [lambda emulator, program: trace_arguments(emulator, program, tmp_path)]
    runner = (
        QemuSystemRunner(watch=watch)
        if artifact.target.is_bare_metal
        else QemuUserRunner(watch=watch)
    )
    result = runner.run(artifact, tiny_samples(1), repeat=2, layers=True)
    trace = BlockTrace.read(tmp_path)
    counts = [
        sum(trace.blocks[block].instructions * runs for block, runs in section.executions.items())
        for section in trace.sections
    ]
    # The instruction of the mark itself lies on other sides of the two counts.
    for counted, traced in zip(result.values, counts[1::2], strict=False):
        assert abs(counted - traced) <= 2
    steps = counts[5::2][: len(result.step_layers)]
    assert len(steps) == len(result.step_layers) > 0
    assert abs(sum(result.layers.values()) - sum(steps)) <= 2 * len(steps)


def test_arguments_name_the_mark(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    emulator = require_tool("qemu-aarch64")
    require_tool("gcc")
    flag, options = foreign_trace_arguments(emulator, 173, tmp_path)
    assert flag == "-plugin" and ",syscall=173," in options
    assert options.endswith(f"out={tmp_path / 'blocks.txt'}")
