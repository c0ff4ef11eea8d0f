"""Tables 5 to 7: what comes out comes out, and what does not is said."""

from __future__ import annotations

import pytest

from edgemnv2.frontend.deeplab import build_deeplab
from edgemnv2.frontend.ssdlite import build_ssdlite
from edgemnv2.ops.graph import Graph
from edgemnv2.paper import tasks
from edgemnv2.paper.heads import deeplab, detector, ssd
from edgemnv2.paper.operators import Operator, macs, parameters
from edgemnv2.paper.overview import paper
from edgemnv2.paper.text import render
from edgemnv2.passes import lower


def work(graph: Graph) -> int:
    return sum(graph.macs(layer) for layer in graph.layers)


def weights(graph: Graph) -> int:
    """Biases left out: the two count normalisation differently."""
    return sum(array.size for x in graph.layers for array in x.parameters if array.ndim > 1)


def counted(operators: list[Operator]) -> int:
    return sum(x.weights for x in operators)


def test_the_built_in_detector_has_the_work_that_table_6_counts() -> None:
    graph, operators = lower(build_ssdlite(resolution=96)), detector("MobileNetV2", 96)
    assert (work(graph), weights(graph)) == (macs(operators), counted(operators))


@pytest.mark.parametrize("aspp", [False, True])
@pytest.mark.parametrize("stride", [8, 16])
def test_the_built_in_segmenter_has_the_work_that_table_7_counts(stride: int, aspp: bool) -> None:
    graph = lower(build_deeplab(resolution=97, output_stride=stride, aspp=aspp))
    operators = deeplab("MobileNetV2", stride, aspp, 97)
    assert (work(graph), weights(graph)) == (macs(operators), counted(operators))


def test_table_5_is_met_but_for_one_figure_that_is_explained() -> None:
    table = tasks.table_5()
    full, light = table["rows"]
    assert full["macs"] / 1e9 == pytest.approx(1.25, abs=0.01)
    assert full["parameters"] / 1e6 == pytest.approx(14.8, abs=0.05)
    assert light["parameters"] / 1e6 == pytest.approx(2.1, abs=0.05)
    assert 2 * light["macs"] / 1e9 == pytest.approx(0.35, abs=0.01)
    assert any("0.18 B" in note for note in table["notes"])


def test_table_6_is_met_where_it_is_recomputed() -> None:
    rows = {x["network"]: x for x in tasks.table_6()["rows"]}
    assert [name for name, x in rows.items() if x["macs"] is None] == ["SSD300", "SSD512", "YOLOv2"]
    for name in ("MobileNetV1 + SSDLite", "MobileNetV2 + SSDLite"):
        x = rows[name]
        assert round(x["macs"] / 1e9, 1) == x["published_macs_billions"]
        assert round(x["parameters"] / 1e6, 1) == x["published_parameters_millions"]


def test_table_7_is_met_as_tensorflow_runs_it_but_for_one_line() -> None:
    apart = []
    for x in tasks.table_7()["rows"]:
        if x["macs"] is None:
            continue
        assert x["parameters_with_norm"] / 1e6 == pytest.approx(
            x["published_parameters_millions"], rel=0.005
        )
        ratio = x["macs_in_batches"] / 1e9 / x["published_macs_billions"]
        if abs(ratio - 1) > 0.01:
            apart.append(x["network"])
    assert apart == ["MobileNetV1, stride 8, ASPP, scales and mirrored"]


def test_without_aspp_the_plain_count_is_the_published_one() -> None:
    rows = [x for x in tasks.table_7()["rows"] if x["macs"] and "ASPP" not in x["network"]]
    assert len(rows) == 2
    for x in rows:
        assert x["macs"] / 1e9 == pytest.approx(x["published_macs_billions"], rel=0.005)


def test_a_light_head_has_the_maps_of_a_full_one() -> None:
    first = Operator("a", "conv", 20, 3, 8)
    last = Operator("b", "conv", 10, 3, 8)
    full = ssd(first, last, lite=False)
    light = [x for x in ssd(first, last) if not x.name.endswith(".depthwise")]
    assert [(x.name, x.size_out, x.channels_out) for x in light] == [
        (x.name, x.size_out, x.channels_out) for x in full
    ]
    assert parameters(ssd(first, last)) < parameters(full)


def test_all_seven_tables_are_in_the_text() -> None:
    text = render(paper())
    assert all(f"Table {number}" in text for number in range(1, 8))
