"""What must hold of the operators of a model file, one function per constraint.

The first paragraph of a docstring is what must hold: it is in the error message and in the table
of the README. The second is what to do otherwise. A function returns the fact that breaks its
constraint, or None.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgemnv2.frontend.source_node import SourceNode, SourceTensor

__all__ = ["CONSTRAINTS", "Check"]

Check = Callable[[SourceNode], str | None]

CONVOLUTIONS = ("Conv", "CONV_2D", "DEPTHWISE_CONV_2D")
MATRIX = ("Gemm", "MatMul", "FULLY_CONNECTED")
ACTIVATED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "AVERAGE_POOL_2D")
CONSTRAINTS: list[tuple[tuple[str, ...], Check]] = []


def constraint(*operators: str) -> Callable[[Check], Check]:
    """Register a check for `operators`."""

    def register(check: Check) -> Check:
        CONSTRAINTS.append((operators, check))
        return check

    return register


# -- convolutions and products ---------------------------------------------------------------------


@constraint(*CONVOLUTIONS, *MATRIX)
def constant_weights(node: SourceNode) -> str | None:
    """Weights (and bias) are constants.

    Export the model with its parameters in it.
    """
    for index, what in ((1, "weights"), (2, "bias")):
        tensor = node.input(index)
        if tensor is not None and not tensor.constant:
            return f"{what} {tensor.name!r} that are computed"
    return None


@constraint(*CONVOLUTIONS, *MATRIX)
def one_arithmetic(node: SourceNode) -> str | None:
    """Activations and weights are both float, or both quantised.

    Quantise statically, with calibration data, instead of dynamically.
    """
    source, weights = node.input(0), node.input(1)
    if source is None or weights is None or "" in (source.dtype, weights.dtype):
        return None
    if (source.dtype == "float32") == (weights.dtype == "float32"):
        return None
    return f"{source.dtype} activations and {weights.dtype} weights"


@constraint(*CONVOLUTIONS)
def two_dimensions(node: SourceNode) -> str | None:
    """Input is one image: four dimensions, batch 1.

    Export the model for single images.
    """
    return _unless_image(node)


@constraint(*CONVOLUTIONS)
def no_dilation(node: SourceNode) -> str | None:
    """Dilation is 1.

    MobileNetV2 has none; use strides.
    """
    dilation = tuple(node.attrs.get("dilation", (1, 1)))
    return None if set(dilation) <= {1} else f"dilation {list(dilation)}"


@constraint(*CONVOLUTIONS)
def dense_or_depthwise(node: SourceNode) -> str | None:
    """Groups are 1 (dense), or as many as input channels and as output channels (depthwise).

    Split the convolution, or use a depthwise one with multiplier 1.
    """
    group, inner, outer = (node.attrs[x] for x in ("group", "in_channels", "out_channels"))
    if group == 1 or group == inner == outer:
        return None
    return f"group={group}, {inner} input and {outer} output channels"


@constraint("Gemm", "MatMul")
def plain_matrix(node: SourceNode) -> str | None:
    """One matrix [K, N] on the right, activations on the left as they are (transA=0).

    Export the classifier as a plain linear layer.
    """
    weights = node.input(1)
    if node.attrs.get("transposed_activation"):
        return "transA=1"
    if weights is not None and weights.shape is not None and len(weights.shape) != 2:
        return f"a right operand of shape {list(weights.shape)}"
    return None


@constraint("FULLY_CONNECTED")
def flattened_input(node: SourceNode) -> str | None:
    """The input's last dimension is as long as the weights' rows.

    Put a Reshape (Flatten) between the map and the classifier.
    """
    source, weights = node.input(0), node.input(1)
    if source is None or weights is None or not source.shape or not weights.shape:
        return None
    if source.shape[-1] == weights.shape[-1]:
        return None
    return f"input {_shape(source)} and weights {_shape(weights)}"


@constraint(*ACTIVATED)
def known_activation(node: SourceNode) -> str | None:
    """Fused activation is NONE, RELU, RELU6 or RELU_N1_TO_1.

    Train with ReLU6, as MobileNetV2 does.
    """
    activation = node.attrs.get("activation", "NONE")
    known = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
    return None if activation in known else f"fused activation {activation}"


# -- elementwise -----------------------------------------------------------------------------------


@constraint("Add", "ADD")
def equal_shapes(node: SourceNode) -> str | None:
    """Operands have one shape, or one of them is a constant per channel.

    Broadcasting of activations does not occur in MobileNetV2; remove it.
    """
    a, b = node.input(0), node.input(1)
    if a is None or b is None or a.constant or b.constant or a.shape == b.shape:
        return None
    return f"operands {_shape(a)} and {_shape(b)}"


@constraint("Sub", "Mul", "Div")
def one_constant(node: SourceNode) -> str | None:
    """The second operand is a constant per channel behind a convolution (of Mul, either one is).

    Two activations are multiplied in MobileNetV3, not in MobileNetV2.
    """
    a, b = node.input(0), node.input(1)
    constant = b is not None and b.constant
    if constant or (node.operator == "Mul" and a is not None and a.constant):
        return None
    return f"operands {_shape(a)} and {_shape(b)} that are both computed"


@constraint("Clip")
def constant_bounds(node: SourceNode) -> str | None:
    """Bounds are constants.

    Export ReLU6 as Clip(0, 6).
    """
    for index in (1, 2):
        bound = node.input(index)
        if bound is not None and not bound.constant:
            return f"bound {bound.name!r} that is computed"
    return None


@constraint("BatchNormalization")
def inference_mode(node: SourceNode) -> str | None:
    """Inference mode, constant parameters.

    Export in evaluation mode (PyTorch: model.eval()).
    """
    if node.attrs.get("training"):
        return "training_mode=1"
    if any(x is not None and not x.constant for x in node.inputs[1:]):
        return "parameters that are computed"
    return None


@constraint("Pad", "PAD")
def constant_padding(node: SourceNode) -> str | None:
    """Mode is constant, sizes are constants and not negative, the fill value is (real) zero.

    Fold the padding into the convolution.
    """
    if node.attrs.get("mode", "constant") != "constant":
        return f"mode {node.attrs['mode']!r}"
    pads = node.attrs.get("pads")
    if pads is None:
        return "sizes that are computed"
    if min(pads, default=0) < 0:
        return f"sizes {list(pads)}"
    value = node.attrs.get("value", 0.0)
    return f"fill value {value:g}" if value else None


# -- reductions and views --------------------------------------------------------------------------


@constraint("GlobalAveragePool", "AveragePool", "ReduceMean", "MEAN", "AVERAGE_POOL_2D")
def whole_map(node: SourceNode) -> str | None:
    """The mean is over the whole height and width.

    End the network with global average pooling.
    """
    shape = node.output.shape
    pixels = node.attrs.get("output_pixels")
    if pixels is None or pixels == 1:
        return None
    return f"an output of shape {list(shape or ())}"


@constraint("Softmax", "SOFTMAX")
def over_channels(node: SourceNode) -> str | None:
    """Over the channels, beta 1.

    Apply the softmax to the logits, along their class axis.
    """
    beta = float(node.attrs.get("beta", 1.0))
    if beta != 1.0:
        return f"beta={beta:g}"
    axis, source = node.attrs.get("axis", -1), node.input(0)
    if source is None or source.shape is None:
        return None
    rank = len(source.shape)
    channel = {rank - 1, 1} if rank == 4 else {rank - 1}
    return None if axis % rank in channel else f"axis={axis} of {_shape(source)}"


@constraint("Transpose", "TRANSPOSE")
def layouts_only(node: SourceNode) -> str | None:
    """Between [N, C, H, W] and [N, H, W, C], or of weights.

    Remove other transposes before the export.
    """
    source, permutation = node.input(0), node.attrs.get("permutation")
    if source is None or source.constant:
        return None
    if permutation is None:
        return "a permutation that is computed"
    moved = [x for x in permutation if source.shape is None or source.shape[x] != 1]
    allowed = ((0, 3, 1, 2), (0, 2, 3, 1))
    if moved == sorted(moved) or tuple(permutation) in allowed:
        return None
    return f"permutation {list(permutation)} of {_shape(source)}"


@constraint("Reshape", "RESHAPE")
def known_shape(node: SourceNode) -> str | None:
    """The new shape is known at compile time.

    Export the model with a fixed input shape.
    """
    shape = node.output.shape
    return None if shape is None or min(shape, default=1) >= 0 else f"shape {list(shape)}"


# -- quantisation ----------------------------------------------------------------------------------


@constraint("QuantizeLinear", "DequantizeLinear")
def constant_scale(node: SourceNode) -> str | None:
    """Scale and zero point are constants: one, or one per output channel of weights.

    Quantise statically (onnxruntime: quantize_static), not dynamically.
    """
    for index, what in ((1, "scale"), (2, "zero point")):
        tensor = node.input(index)
        if tensor is not None and not tensor.constant:
            return f"a computed {what}"
    source, scale = node.input(0), node.input(1)
    if source is not None and not source.constant and scale is not None and scale.shape:
        size = int(np.prod(scale.shape))
        if size > 1:
            return f"{size} scales for one activation"
    return None


@constraint("QuantizeLinear", "DequantizeLinear", "QUANTIZE", "DEQUANTIZE")
def eight_bits(node: SourceNode) -> str | None:
    """Activations are int8 or uint8, weights int8 or uint8, biases int32.

    Quantise to 8 bits.
    """
    source, result = node.input(0), node.output
    stored = source if node.operator in ("DequantizeLinear", "DEQUANTIZE") else result
    if stored is None or stored.dtype in ("", "int8", "uint8"):
        return None
    if stored.constant and stored.dtype in ("int32", "float16", "float32"):
        return None
    return f"type {stored.dtype}"


def _unless_image(node: SourceNode) -> str | None:
    source = node.input(0)
    if source is None or source.shape is None:
        return None
    if len(source.shape) == 4 and source.shape[0] == 1:
        return None
    return f"input of shape {_shape(source)}"


def _shape(tensor: SourceTensor | None) -> str:
    if tensor is None or tensor.shape is None:
        return "[?]"
    return str(list(tensor.shape))
