"""The architecture is the paper's: table 2's shapes, published multiply-adds and parameters."""

from __future__ import annotations

import pytest

from edgemnv2.frontend.architecture import TABLE_2, architecture, make_divisible

# Millions of multiply-adds and parameters of the published checkpoints (width, resolution); for
# the rows without parameters only the multiply-adds were published.
PUBLISHED = [
    (1.4, 224, 582, 6.06),
    (1.3, 224, 509, 5.34),
    (1.0, 224, 300, 3.47),
    (1.0, 192, 221, 3.47),
    (1.0, 160, 154, 3.47),
    (1.0, 128, 99, 3.47),
    (1.0, 96, 56, 3.47),
    (0.75, 224, 209, 2.61),
    (0.5, 224, 97, 1.95),
    (0.5, 160, 50, 1.95),
    (0.35, 224, 59, 1.66),
    (0.35, 160, 30, 1.66),
]


@pytest.mark.parametrize(("width", "resolution", "macs", "parameters"), PUBLISHED)
def test_costs_are_the_published_ones(
    width: float, resolution: int, macs: float, parameters: float
) -> None:
    network = architecture(width, resolution)
    # Published figures are cut, not rounded, to whole millions; 30 is 30.9.
    assert macs - 0.5 <= network.macs / 1e6 < macs + 1.0
    # They count 1001 classes in some rows and 1000 in others, and not every bias.
    assert network.parameters / 1e6 == pytest.approx(parameters, abs=0.03)


def test_table_2_gives_the_papers_shapes() -> None:
    network = architecture()
    assert sum(stage.repeats for stage in TABLE_2) == len(network.blocks) == 17
    firsts = {}
    for block in network.blocks:
        firsts.setdefault(block.output_channels, (block.input_size, block.stride))
    assert firsts == {
        16: (112, 1),
        24: (112, 2),
        32: (56, 2),
        64: (28, 2),
        96: (14, 1),
        160: (14, 2),
        320: (7, 1),
    }
    assert (network.stem_channels, network.head_channels, network.head_size) == (32, 1280, 7)
    assert sum(block.has_residual for block in network.blocks) == 10


def test_the_first_block_alone_does_not_expand() -> None:
    blocks = architecture().blocks
    assert [block.index for block in blocks if not block.has_expand] == [1]
    assert all(x.expanded_channels == 6 * x.input_channels for x in blocks[1:])


@pytest.mark.parametrize(("width", "head"), [(0.35, 1280), (0.75, 1280), (1.0, 1280), (1.4, 1792)])
def test_the_head_is_not_narrowed_below_width_1(width: float, head: int) -> None:
    assert architecture(width).head_channels == head


@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.0, 1.3, 1.4])
def test_channels_are_multiples_of_8_and_never_lose_a_tenth(width: float) -> None:
    for stage in TABLE_2:
        channels = make_divisible(stage.channels * width)
        assert channels % 8 == 0
        assert channels >= 0.9 * stage.channels * width


def test_classes_input_channels_and_expansion_count() -> None:
    plain, other = architecture(0.35, 96), architecture(0.35, 96, 10, 1, 4)
    assert other.classes == 10 and other.input_channels == 1
    assert other.blocks[1].expanded_channels == 4 * other.blocks[1].input_channels
    assert other.macs < plain.macs and other.parameters < plain.parameters


def test_odd_sizes_are_rounded_up() -> None:
    network = architecture(0.35, 97)
    assert network.stem_size == 49
    assert [x.output_size for x in network.blocks if x.stride == 2] == [25, 13, 7, 4]
