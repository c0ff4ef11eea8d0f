"""The largest values: LiteRT's and onnxruntime's, ties too, compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.tflite_net import TfliteNet

SHAPE = (1, 5, 40)


def largest(dtype: str, count: int, numbers: bool) -> bytes:
    """TOPK_V2 of the input; the output is its numbers or its values."""
    net = TfliteNet()
    quant = {} if dtype == "float32" else {"scale": 0.1, "zero_point": 3}
    x = net.tensor(SHAPE, dtype, **quant)
    made = (*SHAPE[:-1], count)
    ends = [net.tensor(made, dtype, **quant), net.tensor(made, "int32")]
    net.add("TOPK_V2", [x, net.constant(np.int32(count))], ends, "TopKV2Options")
    return net.build([x], [ends[numbers]])


@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("count", [1, 7, 40])
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
def test_topk_is_litert_s(
    dtype: str,
    count: int,
    numbers: bool,
    require_module: Callable[[str], None],
    tmp_path: Path,
) -> None:
    require_module("ai_edge_litert")
    blob = largest(dtype, count, numbers)
    samples = random_samples(SHAPE, dtype, 3, count)
    # Values that are there several times: the first comes first.
    samples.append((samples[0] // 16 * 16).astype(dtype))
    (theirs,) = litert(blob, samples)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_array_equal(ours, theirs.reshape(ours.shape))


def sorted_channels(**attributes: Any) -> bytes:
    """TopK of ONNX, both outputs."""
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node("TopK", ["x", "k"], ["values", "numbers"], **attributes)
    ends = [
        helper.make_tensor_value_info(name, kind, None)
        for name, kind in (("values", TensorProto.FLOAT), ("numbers", TensorProto.INT64))
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 9, 4, 3])
    count = numpy_helper.from_array(np.array([3], np.int64), "k")
    graph = helper.make_graph([node], "largest", [x], ends, [count])
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


@pytest.mark.parametrize("attributes", [{"axis": 1}, {"largest": 0, "axis": 2}, {}])
def test_both_outputs_are_onnxruntime_s(
    attributes: dict[str, int], require_module: Callable[[str], None], tmp_path: Path
) -> None:
    require_module("onnxruntime")
    from edgemnv2.ops.execute import run
    from edgemnv2.samples.images import to_nhwc, to_source

    blob = sorted_channels(**attributes)
    samples = random_samples((1, 9, 4, 3), "float32", 2, 1)
    theirs = onnxruntime_outputs(blob, samples)
    graph, _ = reference(blob, ".onnx", samples, tmp_path)
    values = run(graph, to_nhwc(np.concatenate(samples), graph.input_specs[0]))
    for name, spec, expected in zip(graph.outputs, graph.output_specs, theirs, strict=True):
        ours = to_source(values[name], spec)
        np.testing.assert_array_equal(ours, expected.reshape(ours.shape))


@pytest.mark.parametrize("target", PLACES)
def test_compiled_sorting_is_the_reference(target: str, tmp_path: Path) -> None:
    for numbers in (False, True):
        folder = tmp_path / str(numbers)
        folder.mkdir()
        found = verified(largest("int8", 5, numbers), ".tflite", target, folder)
        assert found.passed and found.exact
