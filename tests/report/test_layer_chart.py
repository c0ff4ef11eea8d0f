"""A bar for every layer that has a cost."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from edgemnv2.report.layer_chart import layers_svg

SVG = "{http://www.w3.org/2000/svg}"
LAYERS = [
    {"name": "stem", "op": "conv2d", "macs": 100, "out": [4, 4, 8], "cycles": 250.0},
    {"name": "block1.depthwise", "op": "depthwise", "macs": 50, "out": [4, 4, 8]},
    {"name": "block1.project", "op": "pointwise", "macs": 200, "out": [4, 4, 4], "cycles": 750.0},
]


def test_bars_are_as_long_as_their_costs() -> None:
    root = ElementTree.fromstring(layers_svg(LAYERS, "cycles"))
    bars = [x for x in root.iter(f"{SVG}rect") if (x.findtext(f"{SVG}title") or "")]
    widths = [float(x.attrib["width"]) for x in bars]
    assert len(bars) == 2 and abs(widths[1] / widths[0] - 3) < 0.01
    words = " ".join(x.text or "" for x in root.iter(f"{SVG}text"))
    assert "Cycles by layer, 1,000 cycles in all" in words
    assert "250  25.0 %  2.50 per MAC" in words and "750  75.0 %  3.75 per MAC" in words


def test_times_are_not_divided_by_work() -> None:
    layers = [{**LAYERS[0], "seconds": 0.002}]
    assert "2.000 ms  100.0 %" in layers_svg(layers, "seconds")
    assert "per MAC" not in layers_svg(layers, "seconds")


def test_a_network_without_costs_has_no_bars() -> None:
    assert "<title>" not in layers_svg(LAYERS, "seconds")
