"""The real model files: they load, lower, and compute what their own engines compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.passes import lower

# file: (layers, millions of multiply-adds, output shape, integer)
MODELS = {
    "coral_mobilenet_v2_1.0_224_quant.tflite": (65, 300.8, (1, 1, 1001), True),
    "ei_mask-tflite.tflite": (65, 10.8, (1, 1, 2), True),
    "fomo_face_detection.tflite": (25, 5.9, (12, 12, 2), True),
    "mobilenet_v2_torchvision.onnx": (64, 300.8, (1, 1, 1000), False),
    "st_mobilenet_v2_0.35_128_tfs_channel_first.onnx": (65, 18.9, (1, 1, 5), False),
    "tf2_mobilenet_v2_1.0_224_ptq.tflite": (65, 300.8, (1, 1, 1001), True),
    "tflm_pytorch_mobilenet_v2_quantized_1x3x224x224.tflite": (64, 300.8, (1, 1, 1000), True),
}
INTEGER = [name for name, facts in MODELS.items() if facts[3]]
FLOAT = [name for name, facts in MODELS.items() if not facts[3]]
# Two float32 engines that sum in different orders, on logits of magnitude 10 to 20.
FLOAT_TOLERANCE = 2e-4


@pytest.mark.parametrize("name", MODELS)
def test_real_files_lower_without_compiling_anything(name: str, shared_data: Path) -> None:
    """TVM's FoldConstant compiles a program for each constant: minutes, for a network."""
    import tvm

    passes: list[str] = []

    @tvm.instrument.pass_instrument
    class Listed:
        def run_before_pass(self, module: Any, info: Any) -> None:
            passes.append(str(info.name))

    layers, macs, shape, integer = MODELS[name]
    with tvm.transform.PassContext(instruments=[Listed()]):
        graph = lower(load_model(shared_data / "models" / name))
    assert not {"FoldConstant", "tirx.MakePackedAPI"} & set(passes)
    assert len(graph.layers) == layers
    assert round(sum(graph.macs(x) for x in graph.layers) / 1e6, 1) == macs
    assert graph.tensors[graph.outputs[0]].shape == shape
    assert graph.is_integer is integer
    assert not any(isinstance(layer, Rescale) for layer in graph.layers)
    assert [x.name for x in graph.layers][:3] == ["stem", "block1.depthwise", "block1.project"]


def images(graph: Graph, shared_data: Path, count: int) -> np.ndarray:
    """Photographs as the graph's input type, `[N, H, W, C]`."""
    from PIL import Image

    tensor = graph.tensors[graph.inputs[0]]
    files = sorted((shared_data / "imagenet224").glob("*.jpg"))[:count]
    pixels = np.stack(
        [
            np.asarray(Image.open(file).convert("RGB").resize((tensor.width, tensor.height)))
            for file in files
        ]
    )
    if tensor.dtype == "uint8":
        return pixels
    if tensor.dtype == "int8":
        return (pixels.astype(np.int16) - 128).astype(np.int8)
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return ((pixels / 255.0 - mean) / deviation).astype(np.float32)


def source_layout(graph: Graph, image: np.ndarray) -> np.ndarray:
    nchw = graph.input_specs[0].layout == "NCHW"
    return np.ascontiguousarray(image.transpose(2, 0, 1) if nchw else image)[np.newaxis]


@pytest.mark.parametrize("name", INTEGER)
def test_integer_files_give_litert_reference_bytes(
    name: str, shared_data: Path, require_module: Any
) -> None:
    require_module("ai_edge_litert")
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    path = shared_data / "models" / name
    graph = lower(load_model(path))
    interpreter = Interpreter(
        str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]
    for image in images(graph, shared_data, 2):
        interpreter.set_tensor(source, source_layout(graph, image))
        interpreter.invoke()
        expected = interpreter.get_tensor(result).reshape(-1)
        ours = run(graph, image, keep=False)[graph.outputs[0]].reshape(-1)
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("name", FLOAT)
def test_float_files_agree_with_onnxruntime(
    name: str, shared_data: Path, require_module: Any
) -> None:
    require_module("onnxruntime")
    import onnxruntime

    path = shared_data / "models" / name
    graph = lower(load_model(path))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for image in images(graph, shared_data, 2):
        feed = {graph.input_specs[0].name: source_layout(graph, image)}
        expected = session.run(None, feed)[0].reshape(-1)
        ours = run(graph, image, keep=False)[graph.outputs[0]].reshape(-1)
        assert np.abs(ours - expected).max() <= FLOAT_TOLERANCE
        assert ours.argmax() == expected.argmax()


def test_uint8_weights_have_no_zero_point_left(shared_data: Path) -> None:
    path = shared_data / "models" / "coral_mobilenet_v2_1.0_224_quant.tflite"
    graph = lower(load_model(path))
    for layer in graph.layers:
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            assert layer.weight.min() < 0 < layer.weight.max()
            assert layer.weight.dtype in (np.int8, np.int16)
