"""Faults planted in the import are found by the framework that made the file, and named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.check.frameworks import available
from edgemnv2.check.source import check_source
from edgemnv2.frontend import load_model
from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.samples import digits
from edgemnv2.samples.inputs import random_set
from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet
from tests.frontend.tiny_onnx import TinyOnnx


@pytest.fixture(params=["tflite", "onnx"])
def source(
    request: pytest.FixtureRequest, tmp_path: Path, require_module: Callable[[str], None]
) -> Path:
    require_module({"tflite": "ai_edge_litert", "onnx": "onnxruntime"}[request.param])
    path = tmp_path / f"net.{request.param}"
    tflite = request.param == "tflite"
    data = TinyMobilenet().build() if tflite else TinyOnnx().build().SerializeToString()
    path.write_bytes(data)
    assert available(path)
    return path


def _batch(graph: Graph) -> Mapping[str, np.ndarray]:
    return random_set(graph, 2, 0).arrays


def _with_layer(graph: Graph, index: int, **changes: object) -> Graph:
    layer = replace(graph.layers[index], **changes)
    return replace(graph, layers=(*graph.layers[:index], layer, *graph.layers[index + 1 :]))


def test_a_right_import_passes(source: Path) -> None:
    graph = lower(load_model(source))
    found = check_source(graph, source, _batch(graph))
    assert found.passed and found.layer is None and found.samples == 2
    assert found.elements > 0 and found.different == 0


@pytest.mark.parametrize("fault", ["zero point", "pad", "clamp"])
def test_a_planted_fault_is_caught_and_its_layer_named(source: Path, fault: str) -> None:
    graph = lower(load_model(source))
    index, layer = next(
        (i, x)
        for i, x in enumerate(graph.layers)
        if isinstance(x, Conv2D) and any(x.padding) and np.isfinite(x.clamp).any()
    )
    if fault == "zero point":
        tensor = graph.tensors[graph.inputs[0]]
        if tensor.quant is None:
            wrong = _with_layer(graph, index, bias=layer.bias + 0.5)
        else:
            quant = replace(tensor.quant, zero_point=tensor.quant.zero_point + 3)
            wrong = replace(
                graph, tensors={**graph.tensors, tensor.name: replace(tensor, quant=quant)}
            )
    elif fault == "pad":
        top, left, bottom, right = layer.padding
        wrong = _with_layer(graph, index, padding=(top + bottom, left, 0, right))
        if layer.padding[2] == 0:
            wrong = _with_layer(graph, index, padding=(0, left, top, right))
    else:
        out = graph.tensor_out(layer)
        wide = (-np.inf, np.inf) if out.dtype == "float32" else (-128.0, 127.0)
        wrong = _with_layer(graph, index, clamp=wide, bias=layer.bias)
        if layer.clamp == wide or out.dtype != "float32":
            wrong = _with_layer(graph, index, clamp=(layer.clamp[0] + 9, layer.clamp[1]))
    found = check_source(wrong, source, _batch(graph))
    assert not found.passed and found.different > 0
    assert found.layer == layer.name, "the first layer that differs"
    assert found.tensor


def test_the_trained_model_is_its_frameworks(require_module: Callable[[str], None]) -> None:
    require_module("onnxruntime")
    graph = lower(load_model(digits.MODEL))
    assert check_source(graph, digits.MODEL, _batch(graph)).passed
