"""Networks with little or nothing in them: moves alone, outputs that are inputs, no convolution."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgemnv2.check.analyze import analyze
from edgemnv2.check.source import check_source
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.samples.inputs import random_set
from tests.networks.compiled import verified
from tests.networks.tflite_net import TfliteNet

SHAPE, SIZE = (1, 4, 4, 2), 32


def _tflite(kind: str, dtype: str) -> bytes:
    net = TfliteNet()
    real = {"scale": 0.1, "zero_point": 3} if dtype == "int8" else {}
    share = {"scale": 1 / 256, "zero_point": -128} if dtype == "int8" else {}
    x = net.tensor(SHAPE, dtype, **real, name="x")
    if kind == "nothing":
        return net.build([x], [x])
    if kind == "reshape":
        y = net.tensor((1, SIZE), dtype, **real, name="y")
        shape = net.constant(np.array([1, SIZE], np.int32))
        net.add("RESHAPE", [x, shape], [y], "ReshapeOptions", new_shape=[1, SIZE])
        return net.build([x], [y])
    y = net.tensor(SHAPE, dtype, **share, name="y")
    net.add("LOGISTIC", [x], [y])
    return net.build([x], [y, x] if kind == "input beside" else [y])


def _onnx(op: str, input_too: bool = False) -> bytes:
    shape = ["N", 2, 4, 4]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    flat = ["N", SIZE] if op == "Flatten" else shape
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, flat)
    outputs = [y, x] if input_too else [y]
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"])], "net", [x], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


NETWORKS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nothing": (".tflite", lambda: _tflite("nothing", "int8")),
    "reshape int8": (".tflite", lambda: _tflite("reshape", "int8")),
    "reshape float": (".tflite", lambda: _tflite("reshape", "float32")),
    "sigmoid int8": (".tflite", lambda: _tflite("sigmoid", "int8")),
    "its input beside": (".tflite", lambda: _tflite("input beside", "int8")),
    "Identity": (".onnx", lambda: _onnx("Identity")),
    "Flatten": (".onnx", lambda: _onnx("Flatten")),
    "Relu, its input beside": (".onnx", lambda: _onnx("Relu", input_too=True)),
}
FRAMEWORKS = {".tflite": "ai_edge_litert", ".onnx": "onnxruntime"}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_read_analysed_compiled_and_run(
    name: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    suffix, make = NETWORKS[name]
    require_module(FRAMEWORKS[suffix])
    path = tmp_path / f"source{suffix}"
    path.write_bytes(make())
    graph = lower(load_model(path))
    assert check_source(graph, path, random_set(graph, 2, 0).arrays).different == 0
    assert verified(make(), suffix, "host", tmp_path).exact
    assert analyze(graph).arena_bytes >= 0


@pytest.mark.parametrize("name", ["reshape int8", "sigmoid int8", "its input beside"])
def test_integer_ones_run_on_a_microcontroller(
    name: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    suffix, make = NETWORKS[name]
    assert verified(make(), suffix, "mps2-an500", tmp_path).exact
