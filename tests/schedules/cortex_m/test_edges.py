"""Kernels at the edges: zero points at the ends, weights of -128, rows of a pixel, factors of 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules import dsp, mve
from tests.schedules.cortex_m.cortex_m_harness import (
    BOARDS,
    Network,
    build,
    mismatches,
    program,
    quant,
    rounded_to_even,
    run,
)

FAMILIES = {"dsp": dsp, "mve": mve}
CHANNELS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 48, 65)
ZERO_POINTS = (-128, 127, 0, -1, 5, -127, 126)
ROUNDINGS = ("tflite", "tflite", "even", "fractions", "halves")
SEEDS = range(12)


class _Edges:
    """Chooses by one seed."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.seed = seed

    def pick(self, choices: Any) -> Any:
        return choices[int(self.random.integers(len(choices)))]

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def graph(self) -> Graph:
        width = self.pick((1, 2, 3, 4, 5, 6, 7, 8, 9, 13))
        net = Network(self.seed, self.pick((1, 2, 3, 5)), width, self.pick(CHANNELS))
        net.tensors["x"] = replace(net.tensors["x"], quant=quant(self.pick(ZERO_POINTS)))
        for number in range(int(self.random.integers(3, 9))):
            self.layer(net, depthwise=number > 0 and self.chance(0.4))
        rounding = self.pick(ROUNDINGS)
        return net.graph() if rounding == "tflite" else rounded_to_even(net.graph(), rounding)

    def layer(self, net: Network, *, depthwise: bool) -> None:
        source, zero = net.tensors[net.current], self.pick(ZERO_POINTS)
        kernel = 3 if depthwise else self.pick((1, 1, 1, 3, 3, 5, 2))
        stride = 1 if kernel == 1 else self.pick((1, 2) if depthwise else (1, 2, 3))
        padding = "0" if kernel == 1 else self.pick(("same", "1", "0"))
        if min(source.height, source.width) + 2 * (padding == "1") < kernel:
            padding = "same"
        options: dict[str, Any] = {"gain": self.pick((1, 1, 0.02, 3, 40))}
        options |= self.pick(({}, {}, {"heavy": True}, {"weight_limit": 1}, {"dead": 0}))
        options |= self.pick(({}, {}, {"weight_dtype": "int16", "weight_limit": 255}))
        clamp = self.pick(((-128, 127), (zero, 127), (-128, zero), (-60, 70), (zero, zero)))
        net.convolution(
            self.pick(CHANNELS),
            kernel,
            stride,
            padding,
            depthwise=depthwise,
            zero_point=zero,
            clamp=clamp,
            spread=self.pick((1.0001, 4, 1000)),
            **options,
        )
        layer = net.layers[-1]
        assert isinstance(layer, Conv2D | DepthwiseConv2D)
        weight, factor = layer.weight, layer.requantize
        assert factor is not None
        if weight.dtype == np.int8:
            most = np.where(self.random.random(weight.shape) < 0.2, np.int8(-128), weight)
            weight = self.pick((weight, weight, most, np.full_like(weight, -128), 0 * weight))
        some = self.random.random(factor.multiplier.shape) < self.pick((0, 0, 0.3))
        end = self.pick((1 << 30, (1 << 31) - 1, (1 << 30) + 1))
        multiplier = np.where(some, end, factor.multiplier).astype(np.int32)
        shift = np.where(some, self.pick((0, 1, -1, -2, -20, -31)), factor.shift).astype(np.int32)
        bias = layer.bias
        if self.chance(0.1):
            limit = 1 << self.pick((20, 24, 28))
            bias = self.random.integers(-limit, limit, bias.shape).astype(np.int32)
        factor = replace(factor, multiplier=multiplier, shift=shift)
        net.layers[-1] = replace(layer, weight=weight, bias=bias, requantize=factor)


def kernels(family: Any, graph: Graph, edges: _Edges) -> tuple[Any, dict[str, RowKernel]]:
    """Layouts, and what the family computes of the graph, with decisions chosen at random."""
    layouts, made = family.layouts(graph, None), {}
    for layer in graph.layers:
        decisions = dict(family.default(graph, layer, None))
        for name, values in family.space(graph, layer, None).items():
            decisions[name] = edges.pick((decisions.get(name, values[0]), edges.pick(values)))
        kernel = family.row_kernel(graph, layer, layouts, None, decisions)
        if kernel is not None:
            made[layer.name] = kernel
    return layouts, made


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize(
    ("family", "place"), [("dsp", "host"), ("mve", "host"), ("dsp", "m7"), ("mve", "m55")]
)
def test_kernels_are_right_at_the_edges(
    family: str, place: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    board, computed = BOARDS[place], 0
    for tool in board.tools:
        require_tool(tool)
    for seed in SEEDS:
        edges = _Edges(seed)
        graph = edges.graph()
        layouts, made = kernels(FAMILIES[family], graph, edges)
        if made:
            built = build(board, program(graph, layouts, made), tmp_path)
            assert mismatches(run(board, built)) == [0] * len(made), f"seed {seed}"
        computed += len(made)
    assert computed > 2 * len(SEEDS)
