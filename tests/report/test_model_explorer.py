"""Graphs for Model Explorer: whole, connected, with figures by node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.cli.main import main
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.report.model_explorer import LIVE_BYTES, explorer_files

BENCH = {
    "metric": "instructions", "median": 9.0, "artifact": "digits_int8", "target": "cortex-m0plus",
    "layers": [{"name": "stem", "value": 4.0}, {"name": "block3.add", "value": 5.0}],
}  # fmt: skip
NODE_KEYS = {"id", "label", "namespace", "attrs", "incomingEdges", "outputsMetadata"}
"""Of `GraphNode` in the explorer's graph_builder.py, as far as we fill them."""


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explorer") / "net"
    command = ["compile", "digits-int8", "--target", "cortex-m0plus", "-o", str(folder)]
    assert main(command) == 0
    return folder


@pytest.fixture
def files(net: Path, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "bench.json").write_text(json.dumps(BENCH))
    made = explorer_files([net], [tmp_path / "bench.json"], "net")
    return {name: json.loads(text) for name, text in made.items()}


def test_there_is_a_graph_and_a_file_for_each_figure(files: dict[str, Any]) -> None:
    assert set(files) == {"net.json", "net.live_bytes.json", "net.instructions.json"}
    assert files["net.json"].keys() == {"label", "graphs"}
    (graph,) = files["net.json"]["graphs"]
    assert graph["id"] == "digits_int8 for cortex-m0plus"
    assert all(node.keys() <= NODE_KEYS for node in graph["nodes"])


def test_every_layer_is_a_node_and_every_edge_leads_to_one(
    net: Path, files: dict[str, Any]
) -> None:
    graph = load_graph(net / REFERENCE_FOLDER)
    nodes = {node["id"]: node for node in files["net.json"]["graphs"][0]["nodes"]}
    ends = len(graph.inputs) + len(graph.outputs)
    assert len(nodes) == len(graph.layers) + ends == len(files["net.json"]["graphs"][0]["nodes"])
    seen = set()
    for node in files["net.json"]["graphs"][0]["nodes"]:
        for edge in node["incomingEdges"]:
            assert edge["sourceNodeId"] in seen, "in the order of the network"
        seen.add(node["id"])
    for layer in graph.layers:
        assert len(nodes[layer.name]["incomingEdges"]) == len(layer.inputs)
        (made,) = nodes[layer.name]["outputsMetadata"]
        tensor = graph.tensors[layer.output]
        shape = f"int8[{tensor.height},{tensor.width},{tensor.channels}]"
        assert {"key": "tensor_shape", "value": shape} in made["attrs"]
    assert nodes["block3.add"]["namespace"] == "block3"


def test_figures_are_those_of_plan_and_bench(net: Path, files: dict[str, Any]) -> None:
    (name,) = files["net.instructions.json"]
    counted = files["net.instructions.json"][name]["results"]
    assert counted == {"stem": {"value": 4.0}, "block3.add": {"value": 5.0}}
    live = files[f"net.{LIVE_BYTES}.json"][name]["results"]
    plan = json.loads((net / "memory_plan.json").read_text())
    assert max(x["value"] for x in live.values()) == max(plan["live_bytes_per_step"])
    assert set(live) == {op["name"] for op in plan["ops"]}


def test_the_command_writes_them_and_says_where(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "graph.json"
    assert main(["report", str(net), "--format", "model-explorer", "-o", str(output)]) == 0
    assert capsys.readouterr().out.split() == [
        str(output), str(tmp_path / "graph.live_bytes.json"),
    ]  # fmt: skip
    assert json.loads(output.read_text())["label"] == "graph"
