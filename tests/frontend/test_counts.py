"""Arithmetic on integers that count (masks, classes, flags): every operator, type and source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, shape_inference

from edgemnv2.check.source import check_source
from edgemnv2.frontend import load_model
from edgemnv2.frontend.counts import ARITHMETIC, ORDER
from edgemnv2.passes import lower
from edgemnv2.samples.inputs import random_set
from tests.networks.tflite_net import TfliteNet

SHAPE = (1, 3, 5, 6)
TYPES = {
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
}
SOURCES = ("a condition", "a class", "a number")
ONNX = sorted(x for x in ARITHMETIC | ORDER if not x.isupper())
TFLITE = sorted(x for x in ARITHMETIC | ORDER if x.isupper())
FLOATS_ALONE = ("Gemm", "Mean", "Sum", "ADD_N", "BATCH_MATMUL", "POW", "SQUARE")
"""Which have no integers by their standard, or none that the framework computes."""


def _model(operator: str, dtype: str, source: str) -> Any:
    """x -> integers of `source` -> `operator` with a constant, with themselves or over an axis."""
    whole = np.dtype(dtype).type
    constants: dict[str, Any] = {"zero": np.float32(0.1), "hundred": np.float32(100)}
    operands, attributes, more = ["i", "i"], {}, []
    if operator.startswith("Reduce"):
        operands, attributes = ["i"], {"axes": [1]} if operator != "ReduceSum" else {}
        if operator == "ReduceSum":
            constants["axes"] = np.array([1], np.int64)
            operands = ["i", "axes"]
    elif operator == "CumSum":
        constants["axis"], operands = np.array(2, np.int64), ["i", "axis"]
    elif operator == "TopK":
        constants["k"], operands, more = np.array([2], np.int64), ["i", "k"], ["n"]
    elif operator in ("Abs", "Neg", "Sign"):
        operands = ["i"]
    elif operator == "MatMul":
        constants["b"] = (np.arange(24).reshape(6, 4) % 5).astype(whole)
        operands = ["i", "b"]
    elif operator == "Pow":
        constants["b"] = whole(2)
        operands = ["i", "b"]
    elif operator in ("Div", "Mod"):
        constants["b"] = whole(3)
        operands = ["i", "b"]
    elif operator in ("Sub", "Greater"):
        constants["b"] = whole(2)
        operands = ["b", "i"]
    made = {
        "a condition": [helper.make_node("Greater", ["x", "zero"], ["c"])],
        "a class": [helper.make_node("ArgMax", ["x"], ["c"], axis=3)],
        "a number": [helper.make_node("Mul", ["x", "hundred"], ["c"])],
    }[source]
    if source == "a number":
        # Within the type: what is beyond it is nobody's.
        constants["hundred"] = np.float32(20)
        constants["low"], constants["high"] = np.float32(1), np.float32(100)
        made.append(helper.make_node("Clip", ["c", "low", "high"], ["d"]))
    made += [
        helper.make_node("Cast", [made[-1].output[0]], ["i"], to=TYPES[dtype]),
        helper.make_node(operator, operands, ["y", *more], **attributes),
    ]
    graph = helper.make_graph(
        made,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return shape_inference.infer_shapes(model)


def _is_computed(path: Path) -> bool:
    """Whether onnxruntime has the operator for that type."""
    import onnxruntime

    try:
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception:  # of classes of its own
        return False
    return True


@pytest.mark.parametrize("operator", [x for x in ONNX if x not in FLOATS_ALONE])
def test_onnx_counts_are_onnxruntimes(
    operator: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("onnxruntime")
    path, computed = tmp_path / "net.onnx", 0
    for dtype in TYPES:
        for source in SOURCES:
            path.write_bytes(_model(operator, dtype, source).SerializeToString())
            if not _is_computed(path):
                continue
            computed += 1
            graph = lower(load_model(path))
            found = check_source(graph, path, random_set(graph, 2, 0).arrays)
            assert found.passed, f"{dtype} from {source}"
            assert found.max_abs_error == 0 or operator == "ReduceL2", f"{dtype} from {source}"
    assert computed, "no type of this operator is judged"


@pytest.mark.parametrize("read", ["values", "numbers"])
def test_either_output_of_the_largest_counts_may_be_read_alone(
    read: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("onnxruntime")
    path = tmp_path / "net.onnx"
    for dtype in ("int64", "int32"):
        model = _model("TopK", dtype, "a number")
        outputs = {"values": ["y", "n"], "numbers": ["v", "y"]}[read]
        del model.graph.node[-1].output[:]
        model.graph.node[-1].output.extend(outputs)
        model.graph.output[0].CopyFrom(helper.make_empty_tensor_value_info("y"))
        del model.graph.value_info[:]
        path.write_bytes(shape_inference.infer_shapes(model).SerializeToString())
        graph = lower(load_model(path))
        found = check_source(graph, path, random_set(graph, 2, 0).arrays)
        assert found.passed and found.max_abs_error == 0, dtype


@pytest.mark.parametrize("operator", [x for x in TFLITE if x not in FLOATS_ALONE])
def test_tflite_counts_are_litert_s(
    operator: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    net = TfliteNet()
    x, i = net.tensor((1, 4, 5, 6), name="x"), net.tensor((1, 4, 5, 6), "int32")
    scaled = net.tensor((1, 4, 5, 6))
    net.add("MUL", [x, net.constant(np.float32(9))], [scaled], "MulOptions")
    net.add("CAST", [scaled], [i], "CastOptions")
    operands, shape = [i, net.constant(np.array([3], np.int32))], (1, 4, 5, 6)
    kind, fields = "", {}
    if operator in ("SUM", "MEAN"):
        kind, shape, fields = "ReducerOptions", (1, 4, 5, 1), {"keep_dims": True}
    elif operator == "TOPK_V2":
        shape = (1, 4, 5, 3)
    elif operator in ("ABS", "NEG", "SIGN"):
        operands = [i]
    elif operator in ("ADD", "SUB", "MUL", "DIV"):
        kind = f"{operator.title()}Options"
    truths = operator in ORDER and operator not in ("MAXIMUM", "MINIMUM", "TOPK_V2")
    y = net.tensor(shape, "bool" if truths else "int32", name="y")
    outputs = [y, net.tensor(shape, "int32")] if operator == "TOPK_V2" else [y]
    net.add(operator, operands, outputs, kind, **fields)
    path = tmp_path / "net.tflite"
    path.write_bytes(net.build([x], [y]))
    graph = lower(load_model(path))
    found = check_source(graph, path, random_set(graph, 2, 0).arrays)
    assert found.passed and found.max_abs_error == 0
