"""The code of a convolution does not grow with the channels or the map that it sums over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.schedules import ScheduleOptions, schedule_graph
from edgemnv2.target import load_target
from tests.networks.tflite_net import TfliteNet

TARGETS = ("x86-64-v3", "rpi4", "rpi3-32", "mps2-an500", "mps3-an547")


def code_length(channels: int, size: int, dtype: str, target: str, folder: Path) -> int:
    """Characters of the TIR of a `size` x `size` convolution that makes one pixel."""
    quant: dict[str, Any] = {}
    weight: Any = np.ones((16, size, size, channels), np.float32)
    w_quant: dict[str, Any] = {}
    if dtype == "int8":
        quant, w_quant = {"dtype": "int8", "scale": 0.1, "zero_point": 3}, {"scale": 0.01}
        weight = np.ones(weight.shape, np.int8)
    net = TfliteNet()
    x = net.tensor([1, size, size, channels], **quant)
    y = net.tensor([1, 1, 1, 16], **quant)
    net.add(
        "CONV_2D",
        [x, net.constant(weight, **w_quant)],
        [y],
        "Conv2DOptions",
        padding=1,
        stride_h=1,
        stride_w=1,
    )
    path = folder / f"{channels}.tflite"
    path.write_bytes(net.build([x], [y]))
    graph, board = lower(load_model(path)), load_target(target)
    kernels = schedule_graph(graph, board, ScheduleOptions.default(board)).kernels
    return sum(len(str(kernel.code.function)) for kernel in kernels.values())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_more_channels_are_no_more_code(dtype: str, target: str, tmp_path: Path) -> None:
    if dtype == "float32" and target.startswith("mps"):
        pytest.skip("bare metal multiplies no floats")
    few = code_length(256, 3, dtype, target, tmp_path)
    many = code_length(1280, 3, dtype, target, tmp_path)
    assert many < 1.1 * few


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_kernels_of_a_whole_map_are_loops(dtype: str, tmp_path: Path) -> None:
    """A head over a flattened map has a row of code for each row, not for each pixel."""
    small = code_length(8, 7, dtype, "host", tmp_path)
    large = code_length(8, 28, dtype, "host", tmp_path)
    assert large < 8 * small
