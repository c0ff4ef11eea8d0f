"""Resizing and arg max on vector units: what the plain kernels make, through whole networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.artifact import load_artifact
from tests.networks.compiled import verified
from tests.networks.tflite_net import TYPES, TfliteNet

TOOLS = {"x86-64-v3": "gcc", "rpi4": "qemu-aarch64", "rpi3-32": "qemu-arm"}
SOURCE, SIZE = (5, 6), (13, 17)
CHANNELS = {"int8": (7, 16, 21), "float32": (5, 8, 21)}
WAYS = ((False, True), (True, False), (False, False))
CASES = [(dtype, channels) for dtype, sizes in CHANNELS.items() for channels in sizes]


def upsampled(dtype: str, channels: int, align: bool, half: bool) -> bytes:
    """A map made larger, and the largest channel of each of its pixels."""
    net = TfliteNet()
    quant: dict[str, Any] = {} if dtype == "float32" else {"scale": 0.1, "zero_point": -3}
    x = net.tensor((1, *SOURCE, channels), dtype, **quant)
    large = net.tensor((1, *SIZE, channels), dtype, **quant)
    size = net.constant(np.array(SIZE, np.int32))
    options = {"align_corners": align, "half_pixel_centers": half}
    net.add("RESIZE_BILINEAR", [x, size], [large], "ResizeBilinearOptions", **options)
    found = net.tensor((1, *SIZE), "int32")
    axis = net.constant(np.array(3, np.int32))
    net.add("ARG_MAX", [large, axis], [found], "ArgMaxOptions", output_type=TYPES["int32"])
    return net.build([x], [large, found])


@pytest.mark.parametrize(("dtype", "channels"), CASES)
@pytest.mark.parametrize("target", TOOLS)
def test_maps_made_larger_and_their_largest_channels_agree(
    target: str,
    dtype: str,
    channels: int,
    require_tool: Callable[[str], str],
    tmp_path: Path,
) -> None:
    require_tool(TOOLS[target])
    for index, (align, half) in enumerate(WAYS):
        folder = tmp_path / str(index)
        folder.mkdir()
        result = verified(upsampled(dtype, channels, align, half), ".tflite", target, folder)
        assert result.exact if dtype == "int8" else result.passed, (align, half)
    kernels = load_artifact(folder / f"{target}-artifact").manifest.kernels
    fast = {kernel.op for kernel in kernels if kernel.schedule != "fallback"}
    # Vectors of eight floats, or four on NEON; bytes are compared sixteen at a time.
    least = 16 if dtype == "int8" else 8 if target == "x86-64-v3" else 4
    assert fast == ({"resize", "argmax"} if channels >= least else {"resize"})
