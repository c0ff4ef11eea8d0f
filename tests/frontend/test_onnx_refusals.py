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


def test_an_unknown_operator_is_named_with_what_is_supported(tmp_path: Path) -> None:
    message = refusal(one_node("Sigmoid", [1, 3, 8, 8]), tmp_path, UnsupportedOperator)
    assert message.startswith(
        "m.onnx: node 'the_node': operator Sigmoid is not part of MobileNetV2 (supported: Conv, "
        "BatchNormalization, Relu, Clip, Add,"
    )
    assert message.endswith("; end the model at its logits")


def test_an_unnamed_node_is_told_by_its_output(tmp_path: Path) -> None:
    model = one_node("Erf", [1, 3, 8, 8])
    model.graph.node[0].name = ""
    message = refusal(model, tmp_path, UnsupportedOperator)
    assert message.startswith("m.onnx: node 0 (to 'y'): operator Erf is not part of MobileNetV2")
    assert message.endswith("; remove it before the export, or cut the model in front of it")


def test_quantised_operators_point_to_qdq(tmp_path: Path) -> None:
    message = refusal(one_node("QLinearConv", [1, 3, 8, 8]), tmp_path, UnsupportedOperator)
    assert message.endswith(
        "; quantise with QDQ nodes instead (onnxruntime: quant_format=QuantFormat.QDQ)"
    )


EXACT: dict[str, tuple[onnx.ModelProto, str]] = {
    "group": (
        one_node("Conv", [1, 4, 8, 8], {"w": weights(4, 2, 3, 3)}, group=2),
        "m.onnx: node 'the_node': Conv with group=2, 4 input and 4 output channels is not "
        "supported (groups are 1 (dense), or as many as input channels and as output channels "
        "(depthwise)); split the convolution, or use a depthwise one with multiplier 1",
    ),
    "depthwise multiplier": (
        one_node("Conv", [1, 4, 8, 8], {"w": weights(8, 1, 3, 3)}, group=4),
        "m.onnx: node 'the_node': Conv with group=4, 4 input and 8 output channels is not "
        "supported (groups are 1 (dense), or as many as input channels and as output channels "
        "(depthwise)); split the convolution, or use a depthwise one with multiplier 1",
    ),
    "dilation": (
        one_node("Conv", [1, 4, 8, 8], {"w": weights(4, 4, 3, 3)}, dilations=[2, 2]),
        "m.onnx: node 'the_node': Conv with dilation [2, 2] is not supported (dilation is 1); "
        "MobileNetV2 has none; use strides",
    ),
    "computed weights": (
        one_node("Conv", [1, 4, 1, 1], inputs=["x", "x"]),
        "m.onnx: node 'the_node': Conv with weights 'x' that are computed is not supported "
        "(weights (and bias) are constants); export the model with its parameters in it",
    ),
    "product of activations": (
        one_node("Mul", [1, 4, 8, 8], inputs=["x", "x"]),
        "m.onnx: node 'the_node': Mul with operands [1, 4, 8, 8] and [1, 4, 8, 8] that are both "
        "computed is not supported (the second operand is a constant per channel behind a "
        "convolution (of Mul, either one is)); two activations are multiplied in MobileNetV3, not "
        "in MobileNetV2",
    ),
    "pad mode": (
        one_node("Pad", [1, 4, 8, 8], {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}, mode="reflect"),
        "m.onnx: node 'the_node': Pad with mode 'reflect' is not supported (mode is constant, "
        "sizes are constants and not negative, the fill value is (real) zero); fold the padding "
        "into the convolution",
    ),
    "pad value": (
        one_node(
            "Pad",
            [1, 4, 8, 8],
            {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "v": np.array(1.5, np.float32)},
        ),
        "m.onnx: node 'the_node': Pad with fill value 1.5 is not supported (mode is constant, "
        "sizes are constants and not negative, the fill value is (real) zero); fold the padding "
        "into the convolution",
    ),
    "local pooling": (
        one_node("AveragePool", [1, 4, 8, 8], kernel_shape=[2, 2], strides=[2, 2]),
        "m.onnx: node 'the_node': AveragePool with an output of shape [1, 4, 4, 4] is not "
        "supported (the mean is over the whole height and width); end the network with global "
        "average pooling",
    ),
    "mean over channels": (
        one_node("ReduceMean", [1, 4, 8, 8], axes=[1]),
        "m.onnx: node 'the_node': ReduceMean with an output of shape [1, 1, 8, 8] is not "
        "supported (the mean is over the whole height and width); end the network with global "
        "average pooling",
    ),
    "softmax over height": (
        one_node("Softmax", [1, 4, 8, 8], axis=2),
        "m.onnx: node 'the_node': Softmax with axis=2 of [1, 4, 8, 8] is not supported (over the "
        "channels, beta 1); apply the softmax to the logits, along their class axis",
    ),
    "transpose": (
        one_node("Transpose", [1, 4, 8, 8], perm=[0, 1, 3, 2]),
        "m.onnx: node 'the_node': Transpose with permutation [0, 1, 3, 2] of [1, 4, 8, 8] is not "
        "supported (between [N, C, H, W] and [N, H, W, C], or of weights); remove other transposes "
        "before the export",
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
        "zero point are constants: one, or one per output channel of weights); quantise statically "
        "(onnxruntime: quantize_static), not dynamically",
    ),
    "scales per channel of an activation": (
        one_node("QuantizeLinear", [1, 4, 8, 8], {"s": weights(4)}),
        "m.onnx: node 'the_node': QuantizeLinear with 4 scales for one activation is not supported "
        "(scale and zero point are constants: one, or one per output channel of weights); quantise "
        "statically (onnxruntime: quantize_static), not dynamically",
    ),
    "16 bits": (
        one_node("QuantizeLinear", [1, 4, 8, 8], {"s": np.float32(1), "z": np.array(0, np.int16)}),
        "m.onnx: node 'the_node': QuantizeLinear with type int16 is not supported (activations are "
        "int8 or uint8, weights int8 or uint8, biases int32); quantise to 8 bits",
    ),
    "broadcast sum": (
        helper.make_model(
            helper.make_graph(
                [
                    helper.make_node("GlobalAveragePool", ["x"], ["p"], name="pool"),
                    helper.make_node("Add", ["x", "p"], ["y"], name="the_node"),
                ],
                "one",
                [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])],
                [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            ),
            opset_imports=[helper.make_opsetid("", 17)],
            ir_version=8,
        ),
        "m.onnx: node 'the_node': Add with operands [1, 4, 8, 8] and [1, 4, 1, 1] is not supported "
        "(operands have one shape, or one of them is a constant per channel); broadcasting of "
        "activations does not occur in MobileNetV2; remove it",
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
        "be numbers: export the model with a fixed input size"
    )


def test_a_fixed_batch_other_than_one_is_refused(tmp_path: Path) -> None:
    message = refusal(one_node("Relu", [8, 3, 8, 8]), tmp_path, ModelError)
    assert message == (
        "m.onnx: input 'x' holds 8 images (must be 1 or a symbol); export the model with batch 1"
    )


def test_an_input_that_is_no_image_is_refused(tmp_path: Path) -> None:
    message = refusal(one_node("Relu", [1, 10]), tmp_path, ModelError)
    assert message == (
        "m.onnx: input 'x' has 2 dimensions (must be one image: 4, [1, C, H, W] or [1, H, W, C])"
    )


def test_float16_is_refused(tmp_path: Path) -> None:
    model = one_node("Relu", [1, 3, 8, 8])
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    assert refusal(model, tmp_path, ModelError) == (
        "m.onnx: input 'x' has type float16 (must be float32, int8 or uint8); export the model in "
        "float32"
    )


def test_two_outputs_are_refused(tmp_path: Path) -> None:
    model = TinyOnnx().build()
    model.graph.output.append(helper.make_tensor_value_info("head", TensorProto.FLOAT, None))
    assert refusal(model, tmp_path, ModelError) == (
        "m.onnx: the model has 2 outputs ('logits', 'head'), must have 1; cut the model to the one "
        "that a MobileNetV2 has"
    )


def test_padding_behind_the_last_convolution_is_refused(tmp_path: Path) -> None:
    pads = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    message = refusal(one_node("Pad", [1, 3, 8, 8], {"p": pads}), tmp_path, UnsupportedOperator)
    assert message == "m.onnx: a Pad may not be the model's last operator"


def test_a_clip_of_the_input_is_refused(tmp_path: Path) -> None:
    message = refusal(one_node("Relu", [1, 3, 8, 8]), tmp_path, UnsupportedOperator)
    assert message == (
        "m.onnx: a Clip must directly follow a convolution, sum or pooling that nothing else reads"
    )


def test_a_scaled_input_is_refused(tmp_path: Path) -> None:
    model = one_node("Div", [1, 3, 8, 8], {"c": np.array(255.0, np.float32)})
    message = refusal(model, tmp_path, UnsupportedOperator)
    assert message == (
        "m.onnx: divide by a constant behind the input is not supported: it must directly follow "
        "a convolution or matrix product that nothing else reads"
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
