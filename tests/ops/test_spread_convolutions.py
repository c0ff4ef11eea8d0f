"""Convolutions with dilation, groups and depth multipliers; any kernel, stride and padding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.errors import EdgeError
from edgemnv2.frontend import load_model
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.passes import lower
from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.quantised import limits_of, random_scale, random_zero_point
from tests.networks.tflite_net import TfliteNet

KERNELS = ((1, 1), (6, 6), (1, 3), (3, 1), (2, 2), (3, 3), (4, 2), (5, 5), (1, 7))


def _same(extent: int, kernel: int, stride: int, dilation: int) -> int:
    return -(-extent // stride)


def _valid(extent: int, kernel: int, stride: int, dilation: int) -> int:
    return (extent - (kernel - 1) * dilation - 1) // stride + 1


def random_convolution(seed: int, dtype: str) -> tuple[bytes, tuple[int, ...]]:
    """A TFLite file of one convolution, and its input's shape."""
    random = np.random.default_rng(seed)
    kernel = KERNELS[seed % len(KERNELS)]
    depthwise = bool(random.integers(2))
    dilation = tuple(int(x) for x in random.integers(1, 4, 2))
    stride = (1, 1) if max(dilation) > 1 else tuple(int(x) for x in random.integers(1, 4, 2))
    channels = int(random.choice([1, 2, 3, 5, 7, 45]))
    groups, outer = 1, int(random.choice([1, 2, 3, 5, 7, 16, 45]))
    if depthwise:
        groups, outer = channels, channels * int(random.integers(1, 4))
    elif channels == 45 or random.integers(2):
        groups = int(random.choice([g for g in (1, 2, 3, 5, 7, 9, 15) if channels % g == 0]))
        outer = groups * int(random.integers(1, 4))
    extents = [
        int(random.integers((k - 1) * d + 1, (k - 1) * d + 12))
        for k, d in zip(kernel, dilation, strict=True)
    ]
    padding = int(random.integers(2))
    size = (_same, _valid)[padding]
    made = [size(*facts) for facts in zip(extents, kernel, stride, dilation, strict=True)]
    inner = channels // groups
    shape = (1, *kernel, outer) if depthwise else (outer, *kernel, inner)
    activation = int(random.choice([0, 1, 3]))
    net = TfliteNet()
    if dtype == "float32":
        x = net.tensor([1, *extents, channels])
        w = net.constant(random.normal(size=shape).astype(np.float32))
        b = net.constant(random.normal(size=outer).astype(np.float32))
        y = net.tensor([1, *made, outer])
    else:
        low, high = limits_of(dtype)
        scale = random_scale(random)
        x = net.tensor([1, *extents, channels], dtype, scale, random_zero_point(random, dtype))
        axis = 3 if depthwise else 0
        if dtype == "int8":
            scales = (10.0 ** random.uniform(-4, -1, outer)).astype(np.float32)
            zero: Any = 0
        else:
            scales = np.array([random_scale(random, -4, -1)], np.float32)
            zero = random_zero_point(random, dtype)
        weight = random.integers(low, high, shape, dtype, endpoint=True)
        w = net.constant(weight, scale=scales, zero_point=zero, axis=axis if dtype == "int8" else 0)
        bias = random.integers(-3000, 3000, outer).astype(np.int32)
        b = net.constant(bias, scale=scales * np.float32(scale))
        reach = scale * float(scales.max()) * 128 * (kernel[0] * kernel[1] * inner) ** 0.5
        out_scale = float(np.float32(reach * 10.0 ** random.uniform(-0.5, 0.5)))
        y = net.tensor([1, *made, outer], dtype, out_scale, random_zero_point(random, dtype))
    fields = {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "dilation_h_factor": dilation[0],
        "dilation_w_factor": dilation[1],
        "fused_activation_function": activation,
    }
    if depthwise:
        fields["depth_multiplier"] = outer // channels
        net.add("DEPTHWISE_CONV_2D", [x, w, b], [y], "DepthwiseConv2DOptions", **fields)
    else:
        net.add("CONV_2D", [x, w, b], [y], "Conv2DOptions", **fields)
    return net.build([x], [y]), (1, *extents, channels)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_integers_equal_litert(dtype: str, seed: int, tmp_path: Path) -> None:
    blob, shape = random_convolution(seed, dtype)
    samples = random_samples(shape, dtype, 2, seed)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    assert (ours == litert(blob, samples)[0]).all()


def close(ours: Any, theirs: Any) -> None:
    """1e-4 of the largest output."""
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * max(1.0, np.abs(theirs).max()))


@pytest.mark.parametrize("seed", range(40))
def test_floats_are_close_to_litert(seed: int, tmp_path: Path) -> None:
    blob, shape = random_convolution(seed, "float32")
    samples = random_samples(shape, "float32", 2, seed)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    close(ours, litert(blob, samples)[0])


def onnx_convolution(seed: int) -> tuple[bytes, tuple[int, ...]]:
    """An ONNX file of one convolution with explicit, mostly asymmetric pads."""
    random = np.random.default_rng(seed)
    kernel = KERNELS[seed % len(KERNELS)]
    dilation = tuple(int(x) for x in random.integers(1, 4, 2))
    stride = tuple(int(x) for x in random.integers(1, 4, 2))
    groups = int(random.choice([1, 2, 3, 5]))
    inner, share = int(random.integers(1, 4)), int(random.integers(1, 4))
    pads = [int(x) for x in random.integers(0, 4, 4)]
    extents = [
        int(random.integers((k - 1) * d + 1, (k - 1) * d + 12))
        for k, d in zip(kernel, dilation, strict=True)
    ]
    weight = random.normal(size=(groups * share, inner, *kernel)).astype(np.float32)
    bias = random.normal(size=groups * share).astype(np.float32)
    node = helper.make_node(
        "Conv",
        ["x", "w", "b"],
        ["y"],
        strides=list(stride),
        dilations=list(dilation),
        group=groups,
        pads=pads,
    )
    shape = (1, groups * inner, *extents)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    return model.SerializeToString(), shape


@pytest.mark.parametrize("seed", range(40))
def test_onnx_floats_are_close_to_onnxruntime(seed: int, tmp_path: Path) -> None:
    blob, shape = onnx_convolution(seed)
    samples = random_samples(shape, "float32", 2, seed)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    close(ours, onnxruntime_outputs(blob, samples)[0])


def split_into_batches(seed: int, dtype: str) -> tuple[bytes, tuple[int, ...]]:
    """SPACE_TO_BATCH_ND, a depthwise convolution, BATCH_TO_SPACE_ND."""
    random = np.random.default_rng(seed)
    rate, channels = int(random.integers(2, 4)), int(random.choice([2, 5]))
    height, width = (int(x) for x in random.integers(5, 14, 2))
    more = [-(extent + 2 * rate) % rate for extent in (height, width)]
    images = rate * rate
    inside = [(height + 2 * rate + more[0]) // rate, (width + 2 * rate + more[1]) // rate]
    net = TfliteNet()
    quant: dict[str, Any] = {}
    made: dict[str, Any] = {}
    weight: Any = random.normal(size=(1, 3, 3, channels)).astype(np.float32)
    bias: Any = random.normal(size=channels).astype(np.float32)
    w_quant: dict[str, Any] = {}
    b_quant: dict[str, Any] = {}
    if dtype != "float32":
        quant = {"dtype": dtype, "scale": 0.05, "zero_point": random_zero_point(random, dtype)}
        made = {"dtype": dtype, "scale": 0.3, "zero_point": random_zero_point(random, dtype)}
        weight = random.integers(-127, 128, (1, 3, 3, channels)).astype(np.int8)
        bias = random.integers(-3000, 3000, channels).astype(np.int32)
        w_quant, b_quant = {"scale": 0.02}, {"scale": 0.001}
    x = net.tensor([1, height, width, channels], **quant)
    block = net.constant(np.array([rate, rate], np.int32))
    pads = np.array([[rate, rate + more[0]], [rate, rate + more[1]]], np.int32)
    crops = np.array([[0, more[0]], [0, more[1]]], np.int32)
    split = net.tensor([images, *inside, channels], **quant)
    net.add("SPACE_TO_BATCH_ND", [x, block, net.constant(pads)], [split], "SpaceToBatchNDOptions")
    out = [extent - 2 for extent in inside]
    many = net.tensor([images, *out, channels], **made)
    w, b = net.constant(weight, **w_quant), net.constant(bias, **b_quant)
    net.add(
        "DEPTHWISE_CONV_2D",
        [split, w, b],
        [many],
        "DepthwiseConv2DOptions",
        padding=1,
        stride_h=1,
        stride_w=1,
        depth_multiplier=1,
        fused_activation_function=3,
    )
    y = net.tensor([1, height, width, channels], **made)
    net.add("BATCH_TO_SPACE_ND", [many, block, net.constant(crops)], [y], "BatchToSpaceNDOptions")
    return net.build([x], [y]), (1, height, width, channels)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_batches_of_blocks_are_dilation(dtype: str, seed: int, tmp_path: Path) -> None:
    blob, shape = split_into_batches(seed, dtype)
    samples = random_samples(shape, dtype, 2, seed)
    graph, ours = reference(blob, ".tflite", samples, tmp_path)
    (layer,) = graph.layers
    assert isinstance(layer, DepthwiseConv2D) and layer.dilation != (1, 1)
    theirs = litert(blob, samples)[0]
    if dtype == "float32":
        close(ours, theirs)
    else:
        assert (ours == theirs).all()


def test_a_batch_of_blocks_without_its_end_is_refused(tmp_path: Path) -> None:
    net = TfliteNet()
    x, y = net.tensor([1, 4, 4, 2]), net.tensor([4, 2, 2, 2])
    block, pads = np.array([2, 2], np.int32), np.zeros((2, 2), np.int32)
    net.add("SPACE_TO_BATCH_ND", [x, net.constant(block), net.constant(pads)], [y])
    path = tmp_path / "net.tflite"
    path.write_bytes(net.build([x], [y]))
    with pytest.raises(EdgeError, match="SPACE_TO_BATCH_ND"):
        lower(load_model(path))


def test_one_dimensional_kernels_are_refused_with_the_remedy(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((2, 3, 5), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 9, 9])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weight],
    )
    path = tmp_path / "net.onnx"
    path.write_bytes(helper.make_model(graph, ir_version=8).SerializeToString())
    with pytest.raises(EdgeError, match="two-dimensional"):
        lower(load_model(path))


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize("seed", [1, 4, 5, 10, 11])
def test_compiled_integers_equal_the_reference(seed: int, target: str, tmp_path: Path) -> None:
    blob, _ = random_convolution(seed, "int8")
    assert verified(blob, ".tflite", target, tmp_path).exact


@pytest.mark.parametrize("target", ["host", "rpi4"])
@pytest.mark.parametrize("seed", [2, 4, 7])
def test_compiled_floats_are_close_to_the_reference(seed: int, target: str, tmp_path: Path) -> None:
    blob, _ = onnx_convolution(seed)
    assert verified(blob, ".onnx", target, tmp_path).passed


def test_layers_without_dilation_and_groups_are_stored_as_before(tmp_path: Path) -> None:
    from edgemnv2.ops.store import load_graph, save_graph

    blob, shape = random_convolution(0, "int8")
    graph, _ = reference(blob, ".tflite", random_samples(shape, "int8", 1, 0), tmp_path)
    save_graph(graph, tmp_path)
    loaded = load_graph(tmp_path)
    for before, after in zip(graph.layers, loaded.layers, strict=True):
        assert isinstance(before, Conv2D | DepthwiseConv2D)
        assert isinstance(after, Conv2D | DepthwiseConv2D)
        assert before.dilation == after.dilation
        words = (tmp_path / "graph.json").read_text()
        assert ("dilation" in words) == (before.dilation != (1, 1))
