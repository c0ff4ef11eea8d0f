"""Padding that is wider than a window: some tiles of a row then read nothing of the image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.ops.execute import run
from tests.networks.against import litert, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.random_builder import Builder

SHAPE = (1, 5, 5, 16)
SIDES = ((3, 0), (3, 3), (1, 4))
"""Columns before and behind, rows too."""


def network(dtype: str) -> bytes:
    """Every padding before a 3x3 convolution and a depthwise one, at strides 1 and 2."""
    b = Builder(5, dtype)
    x = b.tensor(SHAPE, 0.05, 7 if b.quantised else 0)
    ends = []
    for before, behind in SIDES:
        pads = b.ints([[0, 0], [before, behind], [before, behind], [0, 0]])
        size = SHAPE[1] + before + behind
        for name, outer in (("CONV_2D", 8), ("DEPTHWISE_CONV_2D", SHAPE[3])):
            depthwise = name != "CONV_2D"
            shape = (1, 3, 3, outer) if depthwise else (outer, 3, 3, SHAPE[3])
            weight, scale = b.weights(shape, outer, 3 if depthwise else 0)
            for stride in (1, 2):
                # One each: a padding with several readers stays an operation.
                padded = b.like(x, (1, size, size, SHAPE[3]))
                b.net.add("PAD", [x.number, pads], [padded.number], "PadOptions")
                side = (size - 3) // stride + 1
                y = b.tensor((1, side, side, outer), b.product_scale(x, scale, 9))
                options = {"padding": 1, "stride_w": stride, "stride_h": stride}
                if depthwise:
                    options["depth_multiplier"] = 1
                kind = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
                bias = -1
                while bias < 0:  # LiteRT's depthwise convolution wants one
                    bias = b.bias(x, scale, outer)
                inputs = [padded.number, weight, bias]
                b.net.add(name, inputs, [y.number], kind, **options)
                ends.append(y.number)
    return b.net.build([x.number], ends)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_the_reference_is_litert(dtype: str, tmp_path: Path) -> None:
    blob = network(dtype)
    samples = random_samples(SHAPE, dtype, 2, 1)
    graph, _ = reference(blob, ".tflite", samples, tmp_path)
    # The padding is part of the convolutions.
    assert not [layer for layer in graph.layers if layer.op == "pad"]
    values = run(graph, np.concatenate(samples))
    for name, theirs in zip(graph.outputs, litert(blob, samples), strict=True):
        ours = values[name].reshape(theirs.shape)
        assert dtype == "float32" or (ours == theirs).all(), name
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("target", [*PLACES, "wasm"])
def test_every_family_gives_the_reference(
    target: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    if target == "wasm":
        require_tool("node")
    result = verified(network("int8"), ".tflite", target, tmp_path)
    assert result.passed and result.exact


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize("target", ["host", "rpi4", "wasm"])
def test_every_family_of_floats_is_near_the_reference(
    target: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    if target == "wasm":
        require_tool("node")
    assert verified(network("float32"), ".tflite", target, tmp_path).passed
