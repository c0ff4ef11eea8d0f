"""Every way that exporters write a MobileNetV2 in ONNX lowers to the same function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.execute import run
from edgemnv2.passes import lower
from tests.frontend.tiny_onnx import CLASSES, SIZE, TinyOnnx

# Two float32 engines that sum in different orders, on logits of magnitude 1 to 10.
FLOAT_TOLERANCE = 2e-5

FEATURES: dict[str, dict[str, Any]] = {
    "plain": {},
    "batch norm not folded": {"batch_norm": True},
    "explicit Pad": {"pad_nodes": True},
    "Pad and batch norm": {"pad_nodes": True, "batch_norm": True},
    "auto_pad SAME_UPPER": {"auto_pad": "SAME_UPPER"},
    "auto_pad SAME_LOWER": {"auto_pad": "SAME_LOWER"},
    "Clip by attributes (opset 6)": {
        "relu6": "clip_attribute",
        "opset": 9,
    },
    "ReLU": {"relu6": "relu"},
    "ReduceMean": {"pool": "ReduceMean"},
    "ReduceMean of opset 18": {"pool": "ReduceMean18", "opset": 18},
    "ReduceMean without keepdims": {"pool": "ReduceMean without keepdims", "flatten": "none"},
    "AveragePool": {"pool": "AveragePool"},
    "Dropout": {"dropout": True},
    "weights listed as inputs": {"weights_as": "inputs"},
    "weights in Constant nodes": {"weights_as": "nodes", "batch_norm": True},
    "Reshape": {"flatten": "Reshape"},
    "Squeeze": {"flatten": "Squeeze"},
    "shape arithmetic": {"flatten": "shape_nodes"},
    "shape arithmetic, symbolic batch": {"flatten": "shape_nodes", "batch": "N"},
    "1x1 convolution for a classifier": {"flatten": "conv"},
    "MatMul": {"head": "MatMul"},
    "matrix over the whole map": {"head": "flat"},
    "Softmax": {"softmax": True},
    "symbolic batch": {"batch": "batch_size"},
    "NHWC input": {"channels_last": True},
    "Identity nodes": {"identity": True},
    "one input channel": {"channels": 1},
}


def save(model: onnx.ModelProto, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.onnx"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("name", FEATURES)
def test_lowering_keeps_the_function(name: str, tmp_path: Path, require_module: Any) -> None:
    require_module("onnxruntime")
    import onnxruntime

    options = TinyOnnx(**FEATURES[name])
    path = save(options.build(), tmp_path)
    graph = lower(load_model(path))
    x = np.random.default_rng(1).normal(0, 1, (SIZE, SIZE, options.channels)).astype(np.float32)
    source = x[np.newaxis] if options.channels_last else x.transpose(2, 0, 1)[np.newaxis]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"image": np.ascontiguousarray(source)})
    result = run(graph, x)[graph.outputs[0]]
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(result.reshape(-1), expected.reshape(-1), atol=FLOAT_TOLERANCE)


@pytest.mark.parametrize("name", FEATURES)
def test_every_export_gives_the_same_layers(name: str, tmp_path: Path) -> None:
    options = TinyOnnx(**FEATURES[name])
    graph = lower(load_model(save(options.build(), tmp_path)))
    expected = ["stem", "block1.expand", "block1.depthwise", "block1.project"]
    expected += ["block2.expand", "block2.depthwise", "block2.project", "block2.add", "head"]
    expected += [] if options.head == "flat" else ["pool"]
    expected += ["classifier", *(["softmax"] if options.softmax else [])]
    assert [layer.name for layer in graph.layers] == expected
    assert graph.tensors["classifier"].shape == (1, 1, CLASSES)


def test_padding_relu6_and_no_activation_are_part_of_the_convolution(tmp_path: Path) -> None:
    graph = lower(load_model(save(TinyOnnx(pad_nodes=True).build(), tmp_path)))
    layers = {layer.name: layer for layer in graph.layers}
    depthwise, project = layers["block1.depthwise"], layers["block1.project"]
    assert isinstance(depthwise, DepthwiseConv2D) and isinstance(project, Conv2D)
    assert depthwise.padding == (0, 0, 1, 1)
    assert depthwise.clamp == (0.0, 6.0)
    assert project.clamp == (-np.inf, np.inf)


def test_the_specs_are_the_source_files_own(tmp_path: Path) -> None:
    model = load_model(save(TinyOnnx(batch="N").build(), tmp_path))
    (source,), (result,) = model.inputs, model.outputs
    assert (source.name, source.shape, source.layout) == ("image", (1, 3, 16, 16), "NCHW")
    assert (result.name, result.shape, result.layout) == ("logits", (1, CLASSES), "NC")
    assert (model.name, model.source, len(model.sha256)) == ("tiny", "tiny.onnx", 64)


def test_an_nhwc_input_keeps_its_layout(tmp_path: Path) -> None:
    model = load_model(save(TinyOnnx(channels_last=True).build(), tmp_path))
    assert (model.inputs[0].shape, model.inputs[0].layout) == ((1, 16, 16, 3), "NHWC")


def test_loading_does_not_change_the_file(tmp_path: Path) -> None:
    path = save(TinyOnnx(batch="N").build(), tmp_path)
    before = path.read_bytes()
    load_model(path)
    assert path.read_bytes() == before
