"""float16 networks, and networks that quantise while they run: computed in float32, and said so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.check.source import check_source
from edgemnv2.cli.main import main
from edgemnv2.frontend import load_model
from edgemnv2.model import DYNAMIC_RANGE, FLOAT16, FLOAT64
from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.samples.inputs import random_set


@pytest.fixture(autouse=True)
def _onnxruntime(require_module: Callable[[str], None]) -> None:
    require_module("onnxruntime")


def _model(
    nodes: list[Any], constants: dict[str, Any], kind: int, out: list[int], out_kind: int = 0
) -> Any:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", out_kind or kind, out)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def _half(io_float: bool) -> Any:
    """Conv, Clip, Add of a Constant node, all float16; with Casts at the ends or without."""
    random = np.random.default_rng(0)
    constants = {
        "w": random.normal(size=(4, 3, 3, 3)).astype(np.float16),
        "low": np.float16(0),
        "high": np.float16(1.5),
    }
    value = numpy_helper.from_array(np.array([0.25], np.float16))
    node = helper.make_node
    nodes = [
        node("Cast", ["x"], ["x16"], to=TensorProto.FLOAT16) if io_float else None,
        node("Conv", ["x16" if io_float else "x", "w"], ["conv"], pads=[1, 1, 1, 1]),
        node("Clip", ["conv", "low", "high"], ["clip"]),
        node("Constant", [], ["quarter"], value=value),
        node("Add", ["clip", "quarter"], ["sum" if io_float else "y"]),
        node("Cast", ["sum"], ["y"], to=TensorProto.FLOAT) if io_float else None,
    ]
    kind = TensorProto.FLOAT if io_float else TensorProto.FLOAT16
    return _model([x for x in nodes if x], constants, kind, [1, 4, 8, 8])


def _double() -> Any:
    """Conv of floats, a cast to double, and a grid of doubles that the file computes."""
    random = np.random.default_rng(0)
    constants = {
        "w": random.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "start": np.array(0, np.int64),
        "end": np.array(8, np.int64),
        "step": np.array(1, np.int64),
        "half": np.array(0.5),
        "third": np.array(1 / 3),
    }
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w"], ["conv"], pads=[1, 1, 1, 1]),
        node("Clip", ["conv"], ["clip"]),
        node("Range", ["start", "end", "step"], ["range"]),
        node("Cast", ["range"], ["range64"], to=TensorProto.DOUBLE),
        node("Add", ["range64", "half"], ["grid"]),
        node("Cast", ["clip"], ["clip64"], to=TensorProto.DOUBLE),
        node("Add", ["clip64", "grid"], ["sum"]),
        node("Mul", ["sum", "third"], ["y"]),
    ]
    return _model(nodes, constants, TensorProto.FLOAT, [1, 4, 8, 8], out_kind=TensorProto.DOUBLE)


def _dynamic(per_channel: bool) -> Any:
    """DynamicQuantizeLinear, ConvInteger, Cast, factor, bias."""
    random = np.random.default_rng(1)
    channels = 4 if per_channel else 1
    zero = random.integers(-20, 20, channels).astype(np.int8)
    constants = {
        "w": random.integers(-127, 127, (4, 3, 3, 3)).astype(np.int8),
        "w_scale": random.uniform(0.005, 0.02, (channels, 1, 1)).astype(np.float32),
        "w_zero": zero if per_channel else zero.reshape(()),
        "bias": random.normal(size=(1, 4, 1, 1)).astype(np.float32),
    }
    node = helper.make_node
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["x8", "x_scale", "x_zero"]),
        node("ConvInteger", ["x8", "w", "x_zero", "w_zero"], ["sums"], pads=[0, 0, 1, 1]),
        node("Cast", ["sums"], ["real"], to=TensorProto.FLOAT),
        node("Mul", ["x_scale", "w_scale"], ["factor"]),
        node("Mul", ["real", "factor"], ["scaled"]),
        node("Add", ["scaled", "bias"], ["y"]),
    ]
    return _model(nodes, constants, TensorProto.FLOAT, [1, 4, 7, 7])


MODELS = {
    "float16": (lambda: _half(False), FLOAT16),
    "float16 between casts": (lambda: _half(True), FLOAT16),
    "float64": (_double, FLOAT64),
    "dynamic range": (lambda: _dynamic(False), DYNAMIC_RANGE),
}


def _lowered(model: Any, folder: Path) -> tuple[Graph, Path]:
    path = folder / "net.onnx"
    onnx.save(model, path)
    return lower(load_model(path)), path


@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_frameworks_layer_by_layer_and_noted(name: str, tmp_path: Path) -> None:
    make, kind = MODELS[name]
    graph, path = _lowered(make(), tmp_path)
    assert [note.kind for note in graph.notes] == [kind]
    assert {tensor.dtype for tensor in graph.tensors.values()} == {"float32"}
    found = check_source(graph, path, random_set(graph, 3, 0).arrays)
    assert found.passed and found.judged_by == "layers" and found.reason
    # Not equal, but near.
    assert 0 < found.max_abs_error < 0.1
    assert found.layer_elements > 0


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("fault", ["pad", "clamp", "bias"])
def test_its_layers_may_not_be_wrong(name: str, fault: str, tmp_path: Path) -> None:
    """What such networks may differ by hides no fault of the import."""
    graph, path = _lowered(MODELS[name][0](), tmp_path)
    index, layer = next((i, x) for i, x in enumerate(graph.layers) if isinstance(x, Conv2D))
    wrong = {
        "pad": {"padding": (2, 2, 0, 0) if layer.padding[0] else (1, 1, 0, 0)},
        "clamp": {"clamp": (layer.clamp[0], 0.75)},
        "bias": {"bias": layer.bias + np.float32(3)},
    }[fault]
    layers = list(graph.layers)
    layers[index] = replace(layer, **wrong)  # type: ignore[arg-type]
    wrong_graph = replace(graph, layers=tuple(layers))
    found = check_source(wrong_graph, path, random_set(graph, 2, 0).arrays)
    assert not found.passed and found.layer == layer.name


def test_weights_with_zero_points_per_channel_are_the_stored_ones(tmp_path: Path) -> None:
    """onnxruntime itself takes one zero point only; the arithmetic is written out here."""
    model = _dynamic(True)
    graph, _ = _lowered(model, tmp_path)
    arrays = {x.name: numpy_helper.to_array(x) for x in model.graph.initializer}
    zero = arrays["w_zero"].reshape(-1, 1, 1, 1)
    right = (arrays["w"].astype(np.float32) - zero) * arrays["w_scale"].reshape(-1, 1, 1, 1)
    layer = graph.layers[0]
    assert isinstance(layer, Conv2D)
    np.testing.assert_allclose(layer.weight.transpose(3, 2, 0, 1), right, rtol=1e-6)


def test_notes_are_in_the_manifest_and_on_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, path = _lowered(_half(False), tmp_path)
    folder = tmp_path / "art"
    assert main(["compile", str(path), "--target", "host", "-o", str(folder)]) == 0
    assert "float16" in capsys.readouterr().err
    (note,) = json.loads((folder / "manifest.json").read_text())["notes"]
    assert "computed in float32" in note
    assert main(["verify", str(folder), "--random", "2", "--against-source", str(path)]) == 0
    assert "float16 is computed in float32" in capsys.readouterr().out
