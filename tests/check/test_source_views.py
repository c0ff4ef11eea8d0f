"""What is compared layer by layer may lie otherwise than in the file, and round otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.check.source import SourceCheck, check_source
from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.reduce.layer import Reduce
from edgemnv2.ops.sigmoid.layer import Sigmoid
from edgemnv2.passes import lower
from edgemnv2.samples.inputs import random_set

SHAPE = (1, 12, 6, 4)


@pytest.fixture(autouse=True)
def _onnxruntime(require_module: Callable[[str], None]) -> None:
    require_module("onnxruntime")


class Net:
    """ONNX nodes from `x` on, each between QuantizeLinear and DequantizeLinear."""

    def __init__(self, shape: Any = SHAPE) -> None:
        self.shape = shape
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.last = "x"

    def add(self, operator: str, *constants: Any, **attributes: Any) -> None:
        out = f"t{len(self.nodes)}"
        names = [f"{out}.{i}" for i in range(len(constants))]
        self.constants.update(zip(names, constants, strict=True))
        self.nodes.append(helper.make_node(operator, [self.last, *names], [out], **attributes))
        self.last = out

    def pair(self, scale: float, zero: int) -> None:
        for operator in ("QuantizeLinear", "DequantizeLinear"):
            self.add(operator, np.float32(scale), np.int8(zero))

    def graph(self, folder: Path) -> tuple[Graph, Path]:
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("x", self.shape), (self.last, None))
        ]
        arrays = [numpy_helper.from_array(np.asarray(v), k) for k, v in self.constants.items()]
        graph = helper.make_graph(self.nodes, "net", ends[:1], ends[1:], arrays)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        path = folder / "net.onnx"
        path.write_bytes(model.SerializeToString())
        return lower(load_model(path)), path


def _checked(graph: Graph, path: Path) -> SourceCheck:
    return check_source(graph, path, random_set(graph, 2, 0).arrays)


def _changed(graph: Graph, kind: type[Any], change: Callable[[Any], Any]) -> tuple[Graph, str]:
    index, layer = next((i, x) for i, x in enumerate(graph.layers) if isinstance(x, kind))
    layers = (*graph.layers[:index], change(layer), *graph.layers[index + 1 :])
    return replace(graph, layers=layers), layer.name


@pytest.mark.parametrize("axes", [(0, 1, 3, 4, 2), (0, 2, 1, 3, 4), (0, 3, 4, 2, 1)])
def test_a_layer_behind_a_transposition_is_compared_in_its_order(axes: Any, tmp_path: Path) -> None:
    net = Net()
    net.pair(0.03, 4)
    net.add("Reshape", np.array([1, 3, 4, 6, 4], np.int64))
    net.add("Transpose", perm=axes)
    net.pair(0.03, 4)
    net.add("Sigmoid")
    net.pair(1 / 256, -128)
    graph, path = net.graph(tmp_path)
    found = _checked(graph, path)
    assert found.passed and found.judged_by == "layers" and found.layer_elements > 0
    wrong, name = _changed(graph, Sigmoid, lambda layer: replace(layer, table=layer.table[::-1]))
    found = _checked(wrong, path)
    assert not found.passed and found.layer == name


@pytest.mark.parametrize("extent", [2, 4])
def test_halves_of_means_go_either_way(extent: int, tmp_path: Path) -> None:
    for seed in range(10):
        scale = float(np.random.default_rng(seed).uniform(0.01, 0.05))
        net = Net((1, 1280, extent, extent))
        net.pair(scale, -3)
        net.add("GlobalAveragePool")
        net.pair(scale, -3)
        graph, path = net.graph(tmp_path)
        found = _checked(graph, path)
        assert found.passed, (seed, found)
        wrong, name = _changed(graph, Reduce, lambda layer: replace(layer, clamp=(-128.0, -3.0)))
        found = _checked(wrong, path)
        assert not found.passed and found.layer == name


def test_a_dynamic_product_is_compared_with_its_channels_where_they_lie(tmp_path: Path) -> None:
    for seed in range(12):
        random = np.random.default_rng(seed)
        net = Net()
        net.nodes.append(helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]))
        net.constants["w"] = random.integers(-127, 128, (3, 12, 1, 1)).astype(np.int8)
        net.nodes.append(helper.make_node("ConvInteger", ["q", "w", "z"], ["sums"]))
        net.last = "sums"
        net.add("Cast", to=TensorProto.FLOAT)
        net.nodes.append(helper.make_node("Mul", [net.last, "s"], ["scaled"]))
        net.last = "scaled"
        net.add("Mul", np.float32(0.01))
        graph, path = net.graph(tmp_path)
        found = _checked(graph, path)
        assert found.passed and found.judged_by == "layers" and found.layer_different > 0, seed
