"""What the paper and its published checkpoints state; figures only, to be held beside ours.

Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR
2018, arXiv 1801.04381. The checkpoint list is that of the authors' own model zoo.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CHECKPOINTS",
    "TABLE_3",
    "TABLE_3_MAX",
    "TABLE_4",
    "TEXT_RANGE",
    "Checkpoint",
    "Size",
    "Total",
]


@dataclass(frozen=True)
class Checkpoint:
    """A published MobileNetV2: millions of multiply-adds and of parameters."""

    width: float
    size: int
    macs_millions: int
    parameters_millions: float


CHECKPOINTS = (
    Checkpoint(1.4, 224, 582, 6.06),
    Checkpoint(1.3, 224, 509, 5.34),
    Checkpoint(1.0, 224, 300, 3.47),
    Checkpoint(1.0, 192, 221, 3.47),
    Checkpoint(1.0, 160, 154, 3.47),
    Checkpoint(1.0, 128, 99, 3.47),
    Checkpoint(1.0, 96, 56, 3.47),
    Checkpoint(0.75, 224, 209, 2.61),
    Checkpoint(0.5, 224, 97, 1.95),
    Checkpoint(0.5, 160, 50, 1.95),
    Checkpoint(0.5, 128, 32, 1.95),
    Checkpoint(0.5, 96, 18, 1.95),
    Checkpoint(0.35, 224, 59, 1.66),
    Checkpoint(0.35, 160, 30, 1.66),
    Checkpoint(0.35, 128, 20, 1.66),
    Checkpoint(0.35, 96, 11, 1.66),
)


@dataclass(frozen=True)
class Size:
    """A cell of table 3: channels and memory ("Kb") at one spatial size, 16-bit activations."""

    channels: int
    memory: int


TABLE_3 = {
    "MobileNetV1": {
        112: Size(64, 1600),
        56: Size(128, 800),
        28: Size(256, 400),
        14: Size(512, 200),
        7: Size(1024, 199),
        1: Size(1024, 2),
    },
    "MobileNetV2": {
        112: Size(16, 400),
        56: Size(32, 200),
        28: Size(64, 100),
        14: Size(160, 62),
        7: Size(320, 32),
        1: Size(1280, 2),
    },
    "ShuffleNet 2x, g=3": {
        112: Size(32, 800),
        56: Size(48, 300),
        28: Size(400, 600),
        14: Size(800, 310),
        7: Size(1600, 156),
        1: Size(1600, 3),
    },
}
"""By network and spatial size, from the later text of the paper; an earlier one has half the
memory in the lines of 112 and of the maximum, and 1/O(1) at 112 for both MobileNets."""

TABLE_3_MAX = {"MobileNetV1": 1600, "MobileNetV2": 400, "ShuffleNet 2x, g=3": 600}


@dataclass(frozen=True)
class Total:
    """A line of table 4: millions of parameters and multiply-adds."""

    parameters_millions: float
    macs_millions: int


TABLE_4 = {
    "MobileNetV1": Total(4.2, 575),
    "ShuffleNet 1.5x, g=3": Total(3.4, 292),
    "ShuffleNet 2x, g=3": Total(5.4, 524),
    "MobileNetV2": Total(3.4, 300),
    "MobileNetV2 1.4": Total(6.9, 585),
}

TEXT_RANGE = {"macs_millions": (7, 585), "parameters_millions": (1.7, 6.9)}
"""Section 5: the range over widths 0.35 to 1.4 and resolutions 96 to 224."""
