"""Plain kernels against the NumPy reference, layer by layer, on odd shapes, every operator.

The layers come out of files, as users' do: random TFLite networks, and ONNX files for what only
ONNX has or says otherwise. Inputs are what the reference has in front of the layer. An operator
whose layers no file makes fails: it needs one here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run, run_layer
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.table import OPERATORS, operator_of
from edgemnv2.passes import lower
from tests.networks import random_choices, random_moves  # noqa: F401  (register operators)
from tests.networks.detection_net import random_detector
from tests.networks.onnx_net import one_operator
from tests.networks.random_tflite import OPERATORS as TFLITE
from tests.networks.random_tflite import random_network
from tests.networks.tflite_net import TfliteNet
from tests.ops.kernel_runner import build, single
from tests.ops.test_arg_max import arg, cast
from tests.passes.test_partly_quantised import sandwich

SEEDS = range(4)
"""Of each TFLite operator: one of uint8, one of floats, two of int8."""
MOST = 16
"""Layers of one class that are run, of different types and sizes."""
TOLERANCE = 1e-5
"""Of the largest value: sums in another order, another exponential."""

IMAGE = (1, 5, 7, 9)


def _random(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def onnx_files() -> Iterator[bytes]:
    """What TFLite does not have, or has in another form."""
    for operator in (
        "Elu",
        "Erf",
        "HardSigmoid",
        "Softplus",
        "Exp",
        "Sigmoid",
        "HardSwish",
        "Sign",
        "Ceil",
        "Floor",
        "Round",
        "Sin",
        "Cos",
        "Atan",
    ):
        yield one_operator(operator, IMAGE)
    yield one_operator("Clip", IMAGE, {"low": np.float32(-0.5), "high": np.float32(0.75)})
    yield one_operator("Identity", IMAGE)
    yield one_operator("Gelu", IMAGE, opset=20)
    yield one_operator("Conv", IMAGE, {"w": _random(4, 5, 3, 3), "b": _random(4)}, pads=[1] * 4)
    yield one_operator("Conv", IMAGE, {"w": _random(5, 1, 3, 3)}, group=5, dilations=[2, 2])
    yield one_operator("ConvTranspose", IMAGE, {"w": _random(5, 3, 3, 3)}, strides=[2, 2])
    yield one_operator("GlobalAveragePool", IMAGE)
    yield one_operator("Mul", IMAGE, inputs=("x", "x"))
    yield one_operator("MatMul", (1, 3, 5, 5), inputs=("x", "x"))
    yield one_operator("ThresholdedRelu", IMAGE, alpha=0.25)


def tflite_files() -> Iterator[bytes]:
    """Random networks of each operator, and what they do not have."""
    for operator in TFLITE:
        for seed in SEEDS:
            try:
                yield random_network(seed, (operator,)).blob
            except RecursionError:
                continue
    for dtype in ("int8", "uint8", "float32"):
        yield arg("ARG_MAX", dtype, "int32", -1)
        yield arg("ARG_MIN", dtype, "int64", 2)
    for seed, dtype in enumerate(("int8", "uint8", "float32")):
        yield random_detector(seed, dtype).blob()
    yield cast("uint8", "int32")
    yield cast("float32", "int32")
    for dtype in ("int8", "uint8"):
        yield sandwich(dtype, (), 1)[0]
        yield sandwich(dtype, ("SQUARE",), 2)[0]
        net = TfliteNet()
        x, y = (net.tensor((1, 5, 7, 3), dtype, 0.1, 3) for _ in range(2))
        net.add("RELU", [x], [y])
        yield net.build([x], [y, x])
        net = TfliteNet()
        x, y = net.tensor((1, 5, 7, 3), dtype, 0.1, 3), net.tensor((1, 5, 7, 3))
        net.add("DEQUANTIZE", [x], [y])
        yield net.build([x], [y])
        net = TfliteNet()
        x, y = net.tensor((1, 5, 7, 3)), net.tensor((1, 5, 7, 3), dtype, 0.1, 3)
        net.add("QUANTIZE", [x], [y])
        yield net.build([x], [y])


Case = tuple[Graph, Layer, list[Any]]


@cache
def cases() -> dict[str, list[Case]]:
    """Layers by class, each with its inputs; of equal types and sizes one."""
    import tempfile

    found: dict[str, dict[Any, Case]] = defaultdict(dict)
    with tempfile.TemporaryDirectory() as folder:
        for suffix, files in ((".tflite", tflite_files()), (".onnx", onnx_files())):
            for number, blob in enumerate(files):
                path = Path(folder) / f"{number}{suffix}"
                path.write_bytes(blob)
                graph = lower(load_model(path))
                values = run(graph, {spec.name: _input(graph, name) for name, spec in _ends(graph)})
                for layer in graph.layers:
                    ends = [graph.tensors[name] for name in (*layer.inputs, layer.output)]
                    kind = tuple((x.dtype, x.shape) for x in ends)
                    mine = found[type(layer).__name__]
                    if kind not in mine and len(mine) < MOST:
                        mine[kind] = graph, layer, [values[name] for name in layer.inputs]
    return {name: list(mine.values()) for name, mine in found.items()}


def _ends(graph: Graph) -> Any:
    return zip(graph.inputs, graph.input_specs, strict=True)


def _input(graph: Graph, name: str) -> Any:
    tensor, random = graph.tensors[name], np.random.default_rng(3)
    if tensor.dtype == "float32":
        return random.normal(size=(1, *tensor.shape)).astype(np.float32)
    limits = np.iinfo(tensor.dtype)
    return random.integers(limits.min, limits.max, (1, *tensor.shape), tensor.dtype, endpoint=True)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.usefixtures("c_compiler")
def test_plain_kernels_give_the_reference(operator: str, tmp_path: Path) -> None:
    mine = [case for name in OPERATORS[operator] for case in cases().get(name, [])]
    made = {type(layer).__name__ for _, layer, _ in mine}
    assert made == set(OPERATORS[operator]), f"no file here makes {operator}"
    built = build([single(graph, layer) for graph, layer, _ in mine], tmp_path)
    for (graph, layer, inputs), kernel in zip(mine, built, strict=True):
        assert operator_of(layer) == operator
        expected = run_layer(graph, layer, inputs)[0]
        each = dict(zip(layer.inputs, inputs, strict=True))
        ours = kernel.run([each[name][0] for name in kernel.graph.inputs])
        place = f"{layer} of {graph.source}"
        if expected.dtype.kind != "f":
            np.testing.assert_array_equal(ours, expected, err_msg=place)
        else:
            largest = max(float(np.abs(expected[np.isfinite(expected)]).max(initial=0)), 1e-6)
            np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE * largest)


@pytest.mark.usefixtures("c_compiler")
def test_a_kernel_that_computes_something_else_is_found(tmp_path: Path) -> None:
    graph, layer, inputs = cases()["Conv2D"][0]
    changed = replace(layer, weight=np.roll(layer.weight, 1, axis=-1))
    (built,) = build([single(graph, changed)], tmp_path)
    assert (built.run([inputs[0][0]]) != run_layer(graph, layer, inputs)[0]).any()
