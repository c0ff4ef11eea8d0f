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
    "TABLE_5",
    "TABLE_6",
    "TABLE_7",
    "TEXT_RANGE",
    "Checkpoint",
    "Segmenter",
    "Size",
    "Task",
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


@dataclass(frozen=True)
class Task:
    """A line of tables 5 to 7: millions of parameters, billions of multiply-adds; its quality."""

    parameters_millions: float
    macs_billions: float
    quality: float | None = None


TABLE_5 = {"SSD": Task(14.8, 1.25), "SSDLite": Task(2.1, 0.35)}
"""Heads and further maps on MobileNetV2, for 80 classes."""

TABLE_6 = {
    "SSD300": Task(36.1, 35.2, 23.2),
    "SSD512": Task(36.1, 99.5, 26.8),
    "YOLOv2": Task(50.7, 17.5, 21.6),
    "MobileNetV1 + SSDLite": Task(5.1, 1.3, 22.2),
    "MobileNetV2 + SSDLite": Task(4.3, 0.8, 22.1),
}
"""COCO: mean average precision beside the work."""


@dataclass(frozen=True)
class Segmenter:
    """What is run in a line of table 7; `flipped_scales`: over six scales and mirrored."""

    network: str
    output_stride: int
    aspp: bool
    flipped_scales: bool


TABLE_7 = {
    Segmenter("MobileNetV1", 16, True, False): Task(11.15, 14.25, 75.29),
    Segmenter("MobileNetV1", 8, True, True): Task(11.15, 941.9, 78.56),
    Segmenter("MobileNetV2", 16, True, False): Task(4.52, 5.8, 75.70),
    Segmenter("MobileNetV2", 8, True, True): Task(4.52, 387, 78.42),
    Segmenter("MobileNetV2", 16, False, False): Task(2.11, 2.75, 75.32),
    Segmenter("MobileNetV2", 8, False, True): Task(2.11, 152.6, 77.33),
    Segmenter("ResNet-101", 16, True, False): Task(58.16, 81.0, 80.49),
    Segmenter("ResNet-101", 8, True, True): Task(58.16, 4870.6, 82.70),
}
"""PASCAL VOC 2012: mean intersection over union beside the work."""

TEXT_RANGE = {"macs_millions": (7, 585), "parameters_millions": (1.7, 6.9)}
"""Section 5: the range over widths 0.35 to 1.4 and resolutions 96 to 224."""
