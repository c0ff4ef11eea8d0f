"""Every way that converters write a quantised MobileNetV2 lowers to LiteRT's reference bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.passes import lower
from tests.frontend.tiny_mobilenet_tflite import NONE, RELU, TinyMobilenet

IMAGES = 8

FEATURES: dict[str, dict[str, Any]] = {
    "int8 per channel": {},
    "int8 per tensor": {"per_channel": False},
    "uint8 per tensor": {"dtype": "uint8"},
    "explicit PAD": {"pad": True},
    "uint8 explicit PAD": {"dtype": "uint8", "pad": True},
    "TRANSPOSE at the input": {"transpose": True},
    "TRANSPOSE, then PAD": {"transpose": True, "pad": True},
    "MEAN of equal scales": {"pool": "mean_same_scale"},
    "uint8 MEAN": {"dtype": "uint8", "pool": "mean"},
    "AVERAGE_POOL, even count": {"pool": "average"},
    "AVERAGE_POOL, odd count": {"pool": "average", "size": 12},
    "uint8 AVERAGE_POOL, even count": {"dtype": "uint8", "pool": "average"},
    "uint8 AVERAGE_POOL, odd count": {"dtype": "uint8", "pool": "average", "size": 12},
    "FULLY_CONNECTED per channel": {"head": "fully_connected_per_channel"},
    "FULLY_CONNECTED over the map": {"pool": "none"},
    "convolution for a classifier": {"head": "conv"},
    "grid output": {"head": "conv", "pool": "none"},
    "uint8 grid output": {"head": "conv", "pool": "none", "dtype": "uint8"},
    "no SOFTMAX": {"softmax": False},
    "QUANTIZE at the input": {"quantize_input": True},
    "QUANTIZE at both ends": {"quantize_input": True, "quantize_output": True},
    "QUANTIZE at both ends, uint8 inside": {
        "dtype": "uint8",
        "quantize_input": True,
        "quantize_output": True,
    },
    "QUANTIZE behind the logits": {"quantize_output": True, "softmax": False},
    "RELU": {"activation": RELU},
    "no fused activation": {"activation": NONE},
    "ReLU6 above the range": {"relu6_scale": 0.01},
    "ReLU6 inside the range": {"relu6_scale": 0.03},
    "odd size": {"size": 15},
}


def litert(data: bytes, images: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]
    outputs = []
    for image in images:
        interpreter.set_tensor(source, image[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result).reshape(-1))
    return np.stack(outputs)


def lowered(data: bytes, tmp_path: Path) -> Graph:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(data)
    return lower(load_model(path))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", FEATURES)
def test_outputs_are_litert_reference_bytes(
    name: str, seed: int, tmp_path: Path, require_module: Any
) -> None:
    require_module("ai_edge_litert")
    network = TinyMobilenet(**FEATURES[name], seed=seed)
    data = network.build()
    graph = lowered(data, tmp_path)
    tensor = graph.tensors[graph.inputs[0]]
    limits = np.iinfo(tensor.dtype)
    shape = (IMAGES, *tensor.shape)
    images = np.random.default_rng(seed + 10).integers(
        limits.min, limits.max, shape, dtype=tensor.dtype, endpoint=True
    )
    source = images.transpose(0, 3, 1, 2) if network.transpose else images
    expected = litert(data, source)
    # A saturated network proves nothing.
    assert len(np.unique(expected)) > 3
    assert len(np.unique(expected, axis=0)) > 1
    result = run(graph, images)[graph.outputs[0]].reshape(IMAGES, -1)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


FLOAT_FEATURES: dict[str, dict[str, Any]] = {
    "float": {},
    "PAD": {"pad": True},
    "TRANSPOSE": {"transpose": True},
    "AVERAGE_POOL": {"pool": "average"},
    "convolution for a classifier": {"head": "conv"},
    "over the map": {"pool": "none"},
    "RELU": {"activation": RELU},
}
# Two float32 engines that sum in different orders, on scores of 1 at most.
FLOAT_TOLERANCE = 1e-5


@pytest.mark.parametrize("name", FLOAT_FEATURES)
def test_float_files_keep_their_function(name: str, tmp_path: Path, require_module: Any) -> None:
    require_module("ai_edge_litert")
    network = TinyMobilenet(**FLOAT_FEATURES[name], dtype="float32")
    data = network.build()
    graph = lowered(data, tmp_path)
    images = np.random.default_rng(3).uniform(-1, 1, (IMAGES, 16, 16, 3)).astype(np.float32)
    source = images.transpose(0, 3, 1, 2) if network.transpose else images
    expected = litert(data, source)
    assert np.ptp(expected) > 0.1
    result = run(graph, images)[graph.outputs[0]].reshape(IMAGES, -1)
    np.testing.assert_allclose(result, expected, atol=FLOAT_TOLERANCE)


@pytest.mark.parametrize("name", FEATURES)
def test_there_is_no_layer_for_padding_layout_or_recast(name: str, tmp_path: Path) -> None:
    graph = lowered(TinyMobilenet(**FEATURES[name]).build(), tmp_path)
    assert not any(isinstance(layer, Rescale) for layer in graph.layers)
    expected = 9 + (FEATURES[name].get("pool") != "none") + 1
    assert len(graph.layers) == expected + FEATURES[name].get("softmax", True)
    assert graph.is_integer


@pytest.mark.parametrize("name", [x for x in FEATURES if "uint8" in x])
def test_inner_activations_are_int8(name: str, tmp_path: Path) -> None:
    graph = lowered(TinyMobilenet(**FEATURES[name]).build(), tmp_path)
    ends = {*graph.inputs, *graph.outputs}
    inner = {x.name for x in graph.tensors.values() if x.dtype == "uint8"} - ends
    # Halves of an even count would round the other way in int8.
    assert inner == ({"head", "pool"} if "even count" in name else set())


def test_the_ends_keep_the_files_own_types(tmp_path: Path) -> None:
    network = TinyMobilenet(quantize_input=True, quantize_output=True)
    graph = lowered(network.build(), tmp_path)
    (source,), (result,) = graph.input_specs, graph.output_specs
    assert (source.dtype, source.quant.zero_point) == ("uint8", 128)  # type: ignore[union-attr]
    assert (result.dtype, result.quant.zero_point) == ("uint8", 0)  # type: ignore[union-attr]
    assert graph.tensors[graph.inputs[0]].quant == source.quant
    assert graph.tensors[graph.outputs[0]].quant == result.quant


def test_a_transposed_input_is_nchw_for_the_user(tmp_path: Path) -> None:
    graph = lowered(TinyMobilenet(transpose=True).build(), tmp_path)
    assert (graph.input_specs[0].layout, graph.input_specs[0].shape) == ("NCHW", (1, 3, 16, 16))
    assert graph.tensors["input"].shape == (16, 16, 3)


def test_wide_uint8_weights_are_int16_without_zero_point(tmp_path: Path) -> None:
    graph = lowered(TinyMobilenet(dtype="uint8").build(), tmp_path)
    weights = [layer.weight for layer in graph.layers if hasattr(layer, "weight")]
    assert all(weight.dtype in (np.int8, np.int16) for weight in weights)
    wide = [weight for weight in weights if weight.dtype == np.int16]
    assert wide and all(weight.max() > 127 or weight.min() < -128 for weight in wide)
