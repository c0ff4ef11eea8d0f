"""Every kernel of the Cortex-M families gives TFLite's bytes, on every core and on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from cortex_m_harness import (
    BOARDS,
    Network,
    build,
    kernels_of,
    mismatches,
    program,
    run,
)

from edgemnv2.schedules import dsp, mve


def blocks() -> Network:
    """A stem, two inverted residuals with a residual add; every tensor divides evenly."""
    net = Network(1, 9, 12, 3)
    net.convolution(16, 3, 2, relu=True).convolution(0, 3, depthwise=True, relu=True)
    net.convolution(8)
    start = net.current
    net.convolution(48, relu=True).convolution(0, 3, depthwise=True, relu=True)
    net.convolution(8).add(start)
    net.convolution(20, relu=True, zero_point=-20)
    net.convolution(0, 3, 2, depthwise=True, zero_point=-10).convolution(7)
    return net


def irregular() -> Network:
    """Odd channels, torch's padding, narrow clamps, long requantisation, a dead channel."""
    net = Network(2, 10, 7, 1)
    net.convolution(10, 3, 2, padding="1", relu=True)
    net.convolution(0, 3, padding="1", depthwise=True, relu=True, clamp=(-128, 90))
    net.convolution(3, dead=1).convolution(17, relu=True)
    net.convolution(0, 3, 2, padding="1", depthwise=True, relu=True)
    net.convolution(6, clamp=(-60, 70)).convolution(40)
    net.convolution(0, 3, depthwise=True).convolution(33, gain=40)
    return net.convolution(34, weight_limit=90)


def narrow(width: int) -> Network:
    """Rows of `width` pixels through every kind of layer."""
    net = Network(3 + width, 3, width, 5)
    net.convolution(9, relu=True, spread=40).convolution(0, 3, depthwise=True, relu=True)
    net.convolution(36, relu=True).convolution(12, relu=True)
    net.convolution(0, 3, 2, padding="1", depthwise=True, relu=True).convolution(5)
    net.convolution(12, relu=True).convolution(0, 3, 2, depthwise=True, relu=True)
    start = net.convolution(5).current
    net.convolution(5).add(start, (0.04, 0.04, 0.05)).add(start, (0.01, 0.3, 0.4))
    net.convolution(6, 3)
    return net.convolution(11, 5, weight_dtype="int16", weight_limit=255)


NETWORKS: dict[str, Callable[[], Network]] = {
    "blocks": blocks,
    "irregular": irregular,
    **{f"width_{w}": lambda w=w: narrow(w) for w in (1, 2, 3, 5, 7, 9)},
}
FAMILIES = {"dsp": dsp, "mve": mve}
PLACES = [
    *((family, "host", "-O2") for family in FAMILIES),
    ("dsp", "m3", "-O2"),
    ("dsp", "m4", "-O2"),
    ("dsp", "m7", "-O3"),
    ("mve", "m55", "-O2"),
]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("family", "board", "optimise"), PLACES)
def test_every_layer_gives_tflites_bytes(
    family: str,
    board: str,
    optimise: str,
    network: str,
    tmp_path: Path,
    require_tool: Callable[[str], str],
) -> None:
    place = BOARDS[board]
    for tool in place.tools:
        require_tool(tool)
    graph = NETWORKS[network]().graph()
    layouts, kernels = kernels_of(FAMILIES[family], graph)
    built = build(place, program(graph, layouts, kernels), tmp_path, optimise)
    differing = mismatches(run(place, built))
    assert differing == [0] * len(graph.layers)
