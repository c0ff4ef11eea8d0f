"""Every operator: quantised, written, read back and run by onnxruntime with one meaning."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.errors import ModelError
from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.table import OPERATORS, operator_of, part
from edgemnv2.passes import lower
from edgemnv2.quantizer.convert import Converted, convert
from edgemnv2.quantizer.float_graph import check_float_graph
from edgemnv2.samples.images import to_nhwc, to_source
from edgemnv2.samples.inputs import InputSet, random_set
from tests.networks.detection_net import random_detector
from tests.networks.onnx_net import one_operator
from tests.networks.random_tflite import OPERATORS as TFLITE
from tests.networks.random_tflite import random_network
from tests.networks.tflite_net import TfliteNet
from tests.ops.test_arg_max import arg, cast
from tests.ops.test_plain_kernels import onnx_files

INTEGERS_ONLY = {
    "dequantize": "between integers and floats",
    "lookup": "a concatenation of integers makes it",
    "quantize": "between floats and integers",
    "rescale": "between two scales of integers",
    "where": "what it asks is a byte",
}
"""Operators that no float network has."""
SEEDS = (2,)
"""Networks of floats, as `random_network` draws them."""
SAMPLES = 3
TIES = 0.1
"""Share of outputs that may be one step off where two scales are in the ratio of whole numbers: a
sum meets a half there, and onnxruntime's float32 constants lie beside it."""
FLOATS = 1e-5
"""Of the largest value: float32 in another order."""


def files() -> Iterator[tuple[str, bytes]]:
    for blob in onnx_files():
        yield ".onnx", blob
    for operator in TFLITE:
        for seed in SEEDS:
            try:
                yield ".tflite", random_network(seed, (operator,)).blob
            except RecursionError:
                continue
    yield ".tflite", arg("ARG_MAX", "float32", "int32", -1)
    yield ".tflite", arg("ARG_MIN", "float32", "int64", 2)
    yield ".tflite", cast("float32", "int32")
    yield ".onnx", one_operator("MaxPool", (1, 4, 9, 8), kernel_shape=[3, 2], strides=[2, 1])
    yield ".onnx", one_operator("AveragePool", (1, 4, 9, 8), kernel_shape=[2, 2], pads=[1] * 4)
    net = TfliteNet()
    x, y = net.tensor((1, 5, 7, 3)), net.tensor((1, 5, 7, 3))
    net.add("SQUARE", [x], [y])
    yield ".tflite", net.build([x], [y])
    for seed in SEEDS:
        detector = random_detector(seed)
        yield ".tflite", detector.blob()


Case = tuple[Graph, InputSet, Converted, Graph]


@cache
def cases() -> dict[str, list[Case]]:
    """Networks by operator: as they are, their inputs, quantised, and read back."""
    import tempfile

    found: dict[str, list[Case]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for number, (suffix, blob) in enumerate(files()):
            path = Path(folder) / f"{number}{suffix}"
            path.write_bytes(blob)
            graph = lower(load_model(path))
            if any(x.dtype in ("int8", "uint8") for x in graph.tensors.values()):
                continue
            check_float_graph(graph)
            inputs = random_set(graph, SAMPLES, seed=number)
            try:
                converted = convert(graph, inputs.arrays)
            except ModelError as error:
                assert "NaN or infinite" in str(error)
                assert {operator_of(x) for x in graph.layers} <= {"exp", "clamp", "binary", "log"}
                continue
            path = path.with_suffix(".q.onnx")
            path.write_bytes(converted.file())
            back = lower(load_model(path))
            for name in {operator_of(x) for x in graph.layers}:
                found[name].append((graph, inputs, converted, back))
    return found


def in_source(graph: Graph, values: Any, index: int) -> Any:
    spec = graph.output_specs[index]
    return to_source(values[graph.outputs[index]], spec).reshape(SAMPLES, *spec.shape)


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_is_integer_or_says_why_it_stays_in_floats(operator: str) -> None:
    if operator in INTEGERS_ONLY:
        assert operator not in cases()
        return
    assert cases()[operator], f"no float network here has {operator}"
    rules = part(operator, "quantised")
    for graph, _, converted, _ in cases()[operator]:
        reasons = {x.name: x.stays_float for x in converted.quality}
        for layer in graph.layers:
            if operator_of(layer) != operator:
                continue
            numbers = any(
                graph.tensors[x].dtype != "float32" for x in (*layer.inputs, layer.output)
            )
            if converted.network.forms[layer.name] == "real" and not numbers:
                moved = layer.keeps_storage and layer.moves_values
                stays = rules.stays_float(layer) if hasattr(rules, "stays_float") else None
                assert moved or (stays and stays == reasons[layer.name]), layer


@pytest.mark.parametrize("operator", sorted(set(OPERATORS) - set(INTEGERS_ONLY)))
def test_the_file_reads_back_to_what_was_calibrated(operator: str) -> None:
    for graph, inputs, converted, back in cases()[operator]:
        ours = run(converted.graph, inputs.arrays, keep=False)
        theirs = run(back, inputs.arrays, keep=False)
        passed_on = {x.name for x in graph.input_specs}
        for index, spec in enumerate(graph.output_specs):
            if spec.name in passed_on:
                continue
            mine = ours[converted.graph.outputs[index]]
            mine = to_source(mine, spec).reshape(SAMPLES, *spec.shape)
            other = in_source(back, theirs, index)
            assert mine.dtype == other.dtype
            largest = float(np.abs(mine).max(initial=1e-9))
            place = f"{graph.layers} {spec.name}"
            np.testing.assert_allclose(other, mine, rtol=0, atol=FLOATS * largest, err_msg=place)


@pytest.mark.parametrize(
    "operator", sorted(set(OPERATORS) - set(INTEGERS_ONLY) - {"detection_postprocess"})
)
def test_onnxruntime_says_the_same(operator: str, require_module: Any) -> None:
    require_module("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    for graph, inputs, converted, back in cases()[operator]:
        if any(operator_of(x) == "detection_postprocess" for x in graph.layers):
            # An operator of our own.
            continue
        ours = run(back, inputs.arrays, keep=False)
        session = onnxruntime.InferenceSession(
            converted.file(), options, providers=["CPUExecutionProvider"]
        )
        made = [
            session.run(
                None,
                {x.name: to_source(inputs.arrays[x.name][i : i + 1], x) for x in graph.input_specs},
            )
            for i in range(SAMPLES)
        ]
        for index, spec in enumerate(graph.output_specs):
            theirs = np.stack([values[index] for values in made])
            mine = in_source(back, ours, index)
            assert theirs.shape == mine.shape
            assert theirs.dtype == mine.dtype
            largest = float(np.abs(theirs).max(initial=1e-9))
            gap = np.abs(theirs.astype(np.float64) - mine)
            off = gap > FLOATS * largest
            place = f"{[(x.op, x.name) for x in graph.layers]} {spec.name}"
            assert off.mean() <= (TIES if operator in ("binary", "rsqrt", "clamp") else 0), place
            step = step_of(back, index)
            # Floats behind the integers carry an inner tensor's step on, by what they do to it.
            assert step is None or gap.max(initial=0.0) <= step + FLOATS * largest, place


def step_of(graph: Graph, index: int) -> float | None:
    """Of an output that comes from integers: what they are multiplied by; None for others."""
    made = next((x for x in graph.layers if x.output == graph.outputs[index]), None)
    quant = None if made is None else graph.tensors[made.inputs[0]].quant
    return None if quant is None else quant.scale


def test_inputs_of_one_layout_stay_in_it() -> None:
    for mine in cases().values():
        for graph, inputs, _, back in mine:
            for spec, other in zip(graph.input_specs, back.input_specs, strict=True):
                assert (spec.name, spec.shape, spec.dtype) == (other.name, other.shape, other.dtype)
                array = inputs.arrays[spec.name]
                assert to_nhwc(to_source(array, spec), other).shape == array.shape
