"""An ONNX file that we cannot compile is refused in one line: place, fact, expectation, remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.errors import DynamicShape, ModelError, UnsupportedOperator
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from tests.frontend.tiny_onnx import TinyOnnx


def refusal(model: onnx.ModelProto | bytes, tmp_path: Path, kind: type[ModelError]) -> str:
    """The message of the error that loading and lowering `model` raises."""
    path = tmp_path / "m.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    with pytest.raises(kind) as caught:
        lower(load_model(path))
    assert type(caught.value) is kind
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("m.onnx: ")
    return message


def one_node(
    op: str,
    shape: list[Any],
    constants: dict[str, np.ndarray] | None = None,
    inputs: list[str] | None = None,
    **attrs: Any,
) -> onnx.ModelProto:
    """A model of one node, `x` -> `y`, operand names in order of `inputs`."""
    constants = constants or {}
    node = helper.make_node(op, inputs or ["x", *constants], ["y"], name="the_node", **attrs)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def weights(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def test_an_unknown_operator_is_named_with_a_remedy(tmp_path: Path) -> None:
    assert refusal(one_node("NonZero", [1, 3, 8, 8]), tmp_path, UnsupportedOperator) == (
        "m.onnx: node 'the_node': operator NonZero is not supported; remove it before the export, "
        "or cut the model in front of it"
    )


def test_all_refusals_of_a_file_come_at_once(tmp_path: Path) -> None:
    names = ["x", "a", "b", "y"]
    kinds = ["NonZero", "Relu", "NonZero"]
    nodes = [
        helper.make_node(kind, [names[i]], [names[i + 1]], name=f"n{i}")
        for i, kind in enumerate(kinds)
    ]
    graph = helper.make_graph(
        nodes,
        "three",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UnsupportedOperator) as caught:
        load_model(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == "m.onnx: 2 of 3 operators are not supported, 1 are fine:"
    assert lines[1].startswith("  node 'n0': operator NonZero")
    assert lines[2].startswith("  node 'n2': operator NonZero")


def test_an_unnamed_node_is_told_by_its_output(tmp_path: Path) -> None:
    model = one_node("NonZero", [1, 3, 8, 8])
    model.graph.node[0].name = ""
    message = refusal(model, tmp_path, UnsupportedOperator)
    assert message.startswith("m.onnx: node 0 (to 'y'): operator NonZero is not supported; ")
    assert message.endswith("; remove it before the export, or cut the model in front of it")


EXACT: dict[str, tuple[onnx.ModelProto, str]] = {
    "computed weights": (
        one_node("Conv", [1, 4, 1, 1], inputs=["x", "x"]),
        "m.onnx: node 'the_node': Conv with weights 'x' that are computed is not supported "
        "(weights and bias are constants); export the model with its parameters in it",
    ),
    "training": (
        one_node(
            "BatchNormalization",
            [1, 4, 8, 8],
            {x: weights(4) for x in ("g", "b", "m", "v")},
            training_mode=1,
        ),
        "m.onnx: node 'the_node': BatchNormalization with training_mode=1 is not supported "
        "(inference mode, constant parameters); export in evaluation mode (PyTorch: model.eval())",
    ),
    "computed bound": (
        one_node("Clip", [1, 4, 8, 8], inputs=["x", "x"]),
        "m.onnx: node 'the_node': Clip with bound 'x' that is computed is not supported (bounds "
        "are constants); export ReLU6 as Clip(0, 6)",
    ),
    "dynamic quantisation": (
        one_node("QuantizeLinear", [1, 4, 8, 8], inputs=["x", "x"]),
        "m.onnx: node 'the_node': QuantizeLinear with a computed scale is not supported (scale and "
        "zero point are constants; activations become int8 or uint8); quantise statically "
        "(onnxruntime: quantize_static), not dynamically",
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_a_broken_constraint_says_place_fact_expectation_remedy(name: str, tmp_path: Path) -> None:
    model, expected = EXACT[name]
    assert refusal(model, tmp_path, UnsupportedOperator) == expected


def test_a_dynamic_height_is_refused_by_name(tmp_path: Path) -> None:
    message = refusal(one_node("Relu", ["N", 3, "height", 8]), tmp_path, DynamicShape)
    assert message == (
        "m.onnx: input 'x': dimension 2 ('height') is not fixed; height, width and channels must "
        "be numbers: export the model with a fixed input size, or give it with input_shapes="
    )


def test_a_fixed_batch_other_than_one_is_refused(tmp_path: Path) -> None:
    message = refusal(one_node("Relu", [8, 3, 8, 8]), tmp_path, ModelError)
    assert message == (
        "m.onnx: input 'x' holds 8 images (must be 1 or a symbol); export the model with batch 1"
    )


def test_an_input_of_five_dimensions_is_refused(tmp_path: Path) -> None:
    message = refusal(one_node("Relu", [1, 2, 3, 4, 5]), tmp_path, ModelError)
    assert message == (
        "m.onnx: input 'x' has 5 dimensions (must be 1 to 4; an image has 4, [1, C, H, W] or "
        "[1, H, W, C]); export the model with such an input"
    )


def test_doubles_are_refused(tmp_path: Path) -> None:
    model = one_node("Relu", [1, 3, 8, 8])
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    assert refusal(model, tmp_path, ModelError) == (
        "m.onnx: input 'x' has type float64 (must be float32, int8 or uint8); export the model in "
        "float32"
    )


def test_an_output_that_no_operator_makes_is_refused(tmp_path: Path) -> None:
    model = TinyOnnx().build()
    model.graph.output.append(helper.make_tensor_value_info("nowhere", TensorProto.FLOAT, None))
    assert refusal(model, tmp_path, ModelError) == (
        "m.onnx: no operator makes the output 'nowhere'; export the model again"
    )


def test_an_output_twice_is_refused(tmp_path: Path) -> None:
    model = TinyOnnx().build()
    model.graph.output.append(model.graph.output[0])
    assert refusal(model, tmp_path, ModelError) == (
        "m.onnx: output 'logits' is listed 2 times (must be once); export the model with each of "
        "them once"
    )


def test_a_constant_output_is_refused(tmp_path: Path) -> None:
    model = one_node("Relu", [1, 3, 8, 8])
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(3, np.float32), "anchors"))
    model.graph.output.append(helper.make_tensor_value_info("anchors", TensorProto.FLOAT, [3]))
    assert refusal(model, tmp_path, ModelError) == (
        "m.onnx: output 'anchors' is a constant (must depend on an input); export the model "
        "without it"
    )


def test_an_output_of_a_strange_type_is_refused(tmp_path: Path) -> None:
    model = one_node("Cast", [1, 3, 8, 8], to=TensorProto.INT16)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT16
    message = refusal(model, tmp_path, ModelError)
    assert message == (
        "m.onnx: output 'y' has type int16 (must be one of float32, int8, uint8, int32, int64); "
        "cut the model in front of it, or cast it"
    )


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(share: float, tmp_path: Path) -> None:
    data = TinyOnnx().build().SerializeToString()
    message = refusal(data[: int(len(data) * share)], tmp_path, ModelError)
    assert "truncated" in message
    assert "download or export it again" in message


@pytest.mark.parametrize("data", [b"", b"hello", b"\x00" * 4096, bytes(range(256)) * 40])
def test_a_file_that_is_no_model_is_refused(data: bytes, tmp_path: Path) -> None:
    message = refusal(data, tmp_path, ModelError)
    assert "not an ONNX model" in message


def test_constants_that_cannot_be_computed_are_named(tmp_path: Path) -> None:
    """What onnx's evaluator raises is said, not passed over."""
    model = one_node("Reshape", [1, 3, 8, 8], inputs=["x", "shape"])
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.int64), name)
        for name, value in (("extents", [1, 64]), ("places", [0, 9]))
    )
    chosen = helper.make_node("Gather", ["extents", "places"], ["shape"], name="chosen")
    model.graph.node.insert(0, chosen)
    message = refusal(model, tmp_path, ModelError)
    assert "node 'chosen': Gather of constants cannot be computed (" in message


def test_a_file_that_contradicts_itself_is_said_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stops onnx's inference is the message's reason: nothing is guessed without it."""

    def fail(*_: Any, **__: Any) -> None:
        raise onnx.shape_inference.InferenceError("[ShapeInferenceError] (op_type:Conv) odd")

    monkeypatch.setattr("onnx.shape_inference.infer_shapes", fail)
    message = refusal(one_node("Relu", [1, 3, 8, 8]), tmp_path, ModelError)
    assert "(op_type:Conv) odd" in message and "full_check=True" in message


@pytest.mark.parametrize(
    "op", ["ConstantOfShape", "Range", "Expand", "Tile", "Pad", "OneHot", "Resize"]
)
def test_a_constant_that_no_memory_holds_is_refused_before_it_is_made(
    op: str, tmp_path: Path
) -> None:
    """Shape arithmetic of a damaged file; onnx itself would fill the memory with it."""
    huge = numpy_helper.from_array(np.int64([1 << 20, 1 << 20]), "huge")
    ends = {"zero": 0, "many": 1 << 40, "one": 1, "line": [1], "plane": [[1]]}
    ends |= {"ends": [0, (1 << 40) - 1], "range": [0, 1]}
    numbers = [numpy_helper.from_array(np.int64(value), name) for name, value in ends.items()]
    numbers.append(numpy_helper.from_array(np.float32([1 << 20, 1 << 20]), "factors"))
    operands = {
        "ConstantOfShape": ["huge"],
        "Expand": ["one", "huge"],
        "Tile": ["plane", "huge"],
        "Pad": ["line", "ends"],
        "OneHot": ["line", "many", "range"],
        "Resize": ["plane", "", "factors"],
    }
    nodes = [
        helper.make_node(op, operands.get(op, ["zero", "many", "one"]), ["made"], name="maker"),
        helper.make_node("Relu", ["x"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 4, 4])
    graph = helper.make_graph(nodes, "g", [x], [y], [huge, *numbers])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    said = rf"m.onnx: node 'maker': ({op} makes a constant of|tensor 'made' of .* has) 1099"
    with pytest.raises(ModelError, match=said):
        load_model(path)


def test_what_is_made_twice_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Abs", ["x"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 4, 4])
    graph = helper.make_graph(nodes, "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="makes 'y', which is there already"):
        load_model(path)


@pytest.mark.parametrize("extent", [1 << 16, 1 << 40])
def test_more_rows_than_tables_count_are_refused(extent: int, tmp_path: Path) -> None:
    """The generated tables hold a row's number in 16 bits: larger ones would wrap."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, extent, 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, extent - 2, 1])
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 2])
    graph = helper.make_graph([node], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"m.onnx: .*(rows in memory|values \(must be)"):
        lower(load_model(path))


def test_a_constant_with_nan_is_named(tmp_path: Path) -> None:
    bound = numpy_helper.from_array(np.float32(np.nan), "bound")
    nodes = [helper.make_node("Clip", ["x", "bound"], ["y"], name="n")]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 4, 4])
    graph = helper.make_graph(nodes, "g", [x], [y], [bound])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="constant 'bound' has 1 values that are no numbers"):
        load_model(path)


@pytest.mark.parametrize("operator", ["Add", "Concat", "Conv", "Div", "Max", "Mul", "Sum", "Where"])
def test_operands_of_two_types_are_told(operator: str, tmp_path: Path) -> None:
    integers = np.ones((4, 4, 1, 1) if operator == "Conv" else (1, 4, 3, 3), np.int8)
    inputs = ("x", "other")
    arrays = [numpy_helper.from_array(integers, "other")]
    if operator == "Where":
        inputs = ("mask", "x", "other")
        arrays.append(numpy_helper.from_array(np.ones((1, 4, 3, 3), np.bool_), "mask"))
    attributes = {"axis": 1} if operator == "Concat" else {}
    nodes = [
        helper.make_node("Relu", ["input"], ["x"]),
        helper.make_node(operator, list(inputs), ["y"], **attributes),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("input", [1, 4, 3, 3]), ("y", None))
    ]
    graph = helper.make_graph(nodes, "mixed", ends[:1], ends[1:], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    message = refusal(model, tmp_path, ModelError)
    assert f"op_type:{operator}" in message
    assert "inconsistent type" in message or "unsupported type" in message
