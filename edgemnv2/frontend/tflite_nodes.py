"""TFLite -> the `SourceNode` view that the constraints read, and the checks of a model's ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.errors import DynamicShape, ModelError
from edgemnv2.frontend.source_node import SourceNode, SourceTensor

__all__ = ["check_ends", "dtype_of", "source_nodes"]

INPUT_TYPES = ("float32", "int8", "uint8")
OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "ADD": "AddOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "SOFTMAX": "SoftmaxOptions",
}


def dtype_of(tensor: Any) -> str:
    """The element type as NumPy spells it; TFLite's own name in lower case for the others."""
    return _names("TensorType").get(tensor.Type(), "unknown").lower()


def _names(enumeration: str) -> dict[int, str]:
    import tflite

    members = vars(getattr(tflite, enumeration))
    return {value: key for key, value in members.items() if isinstance(value, int)}


def check_ends(model: Any, file: str) -> None:
    """One input, one output, one image of a fixed size and of a type that we compile."""
    if model.SubgraphsLength() != 1:
        raise ModelError(
            f"{file}: the file holds {model.SubgraphsLength()} subgraphs (must be 1); convert the "
            "model without control flow"
        )
    graph = model.Subgraphs(0)
    for what, count in (("inputs", graph.InputsLength()), ("outputs", graph.OutputsLength())):
        if count != 1:
            raise ModelError(
                f"{file}: the model has {count} {what}, must have 1; cut the model to the one that "
                "a MobileNetV2 has"
            )
    tensor = graph.Tensors(graph.Inputs(0))
    name = tensor.Name().decode()
    dtype = dtype_of(tensor)
    if dtype not in INPUT_TYPES:
        raise ModelError(
            f"{file}: input {name!r} has type {dtype} (must be float32, int8 or uint8); convert "
            "the model with float or 8-bit input"
        )
    shape = [int(x) for x in tensor.ShapeAsNumpy()] if tensor.ShapeLength() else []
    if len(shape) != 4:
        raise ModelError(
            f"{file}: input {name!r} has {len(shape)} dimensions (must be one image: 4)"
        )
    signature = [int(tensor.ShapeSignature(i)) for i in range(tensor.ShapeSignatureLength())]
    for index, extent in enumerate(signature):
        if index and extent < 0:
            raise DynamicShape(
                f"{file}: input {name!r}: dimension {index} is not fixed; height, width and "
                "channels must be numbers: convert the model with a fixed input size"
            )
    if shape[0] != 1:
        raise ModelError(
            f"{file}: input {name!r} holds {shape[0]} images (must be 1); convert the model with "
            "batch 1"
        )


def source_nodes(model: Any) -> list[SourceNode]:
    """The operators of the only subgraph, as the constraints see them."""
    graph = model.Subgraphs(0)
    builtins = _names("BuiltinOperator")
    tensors = [_tensor(model, graph.Tensors(i)) for i in range(graph.TensorsLength())]
    nodes = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        # Files before 2020 have the deprecated field only.
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = builtins.get(builtin, str(builtin))
        if name == "CUSTOM" and code.CustomCode():
            name = f"CUSTOM {code.CustomCode().decode()}"
        inputs = tuple(
            tensors[i] if i >= 0 else None
            for i in (operator.Inputs(k) for k in range(operator.InputsLength()))
        )
        output = tensors[operator.Outputs(0)]
        if inputs and all(x is None or x.constant for x in inputs):
            output = SourceTensor(output.name, output.shape, output.dtype, None, True)
            tensors[operator.Outputs(0)] = output
        attrs = _attributes(name, operator, inputs, output)
        nodes.append(SourceNode(name, f"operator {index} ({output.name!r})", inputs, output, attrs))
    return nodes


def _tensor(model: Any, tensor: Any) -> SourceTensor:
    buffer = model.Buffers(tensor.Buffer())
    constant = buffer.DataLength() > 0
    dtype = dtype_of(tensor)
    value = None
    if constant and dtype == "int32" and buffer.DataLength() <= 256:
        value = np.frombuffer(buffer.DataAsNumpy().tobytes(), np.int32)
    shape = tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))
    return SourceTensor(tensor.Name().decode(), shape, dtype, value, constant)


def _options(name: str, operator: Any) -> Any:
    import tflite

    table = operator.BuiltinOptions()
    options = getattr(tflite, OPTIONS[name])()
    if table is None:
        return None
    options.Init(table.Bytes, table.Pos)
    return options


def _attributes(name: str, operator: Any, inputs: Any, output: SourceTensor) -> dict[str, Any]:
    options = _options(name, operator) if name in OPTIONS else None
    shape = output.shape or ()
    attrs: dict[str, Any] = {}
    if options is not None and hasattr(options, "FusedActivationFunction"):
        code = options.FusedActivationFunction()
        attrs["activation"] = _names("ActivationFunctionType").get(code, str(code))
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        inner = inputs[0].shape[-1]
        weight = inputs[1].shape
        attrs["in_channels"], attrs["out_channels"] = inner, shape[-1]
        per_group = weight[3] if name == "CONV_2D" else 1
        attrs["group"] = inner // per_group
        if options is not None:
            attrs["dilation"] = (options.DilationHFactor(), options.DilationWFactor())
    elif name == "SOFTMAX":
        attrs["beta"] = options.Beta() if options is not None else 1.0
    elif name == "MEAN":
        axes = None if inputs[1] is None or inputs[1].value is None else set(inputs[1].value % 4)
        attrs["output_pixels"] = 1 if axes in ({1, 2}, {2, 3}) else max(2, _size(output))
    elif name == "AVERAGE_POOL_2D":
        attrs["output_pixels"] = shape[1] * shape[2]
    elif name == "PAD":
        value = inputs[1].value if inputs[1] is not None else None
        attrs["pads"] = None if value is None else [int(x) for x in value]
    elif name == "TRANSPOSE":
        value = inputs[1].value if inputs[1] is not None else None
        attrs["permutation"] = None if value is None else [int(x) for x in value]
    return attrs


def _size(tensor: SourceTensor) -> int:
    return int(np.prod(tensor.shape or (1,)))
