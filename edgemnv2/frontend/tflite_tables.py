"""The tables of a TFLite file -> tensors and nodes in the terms that import rules read."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

import numpy as np

from edgemnv2.errors import ModelError
from edgemnv2.frontend.damage import reading
from edgemnv2.ops.source import MOST_ELEMENTS, SourceNode, SourceTensor

__all__ = ["TfliteGraph", "read_tables"]

FILE_IDENTIFIER = b"TFL3"
LEAST_BYTES = 8
"""Where the root table lies, and the identifier."""
TYPES = {
    "FLOAT32": np.float32,
    "FLOAT16": np.float16,
    "INT64": np.int64,
    "INT32": np.int32,
    "INT16": np.int16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
}
ENUMERATIONS = {
    "padding": "Padding",
    "fused_activation_function": "ActivationFunctionType",
    "mode": "MirrorPadMode",
    "in_data_type": "TensorType",
    "out_data_type": "TensorType",
    "output_type": "TensorType",
}


class TfliteGraph:
    """Tensors by number, nodes in order, the ends."""

    def __init__(self, tensors: list[SourceTensor], nodes: list[SourceNode]) -> None:
        self.tensors, self.nodes = tensors, nodes
        self.inputs: tuple[SourceTensor, ...] = ()
        self.outputs: tuple[SourceTensor, ...] = ()
        self.signatures: dict[str, tuple[int, ...]] = {}


def read_tables(data: bytes, file: str) -> TfliteGraph:
    """The only subgraph of the file; ModelError where the bytes contradict each other."""
    import tflite

    if data[4:8] != FILE_IDENTIFIER:
        fact = f"bytes 4 to 8 are {data[4:8]!r}, must be {FILE_IDENTIFIER!r}"
        if len(data) < LEAST_BYTES:
            fact = f"it has {len(data)} bytes" if data else "it is empty"
        raise ModelError(f"{file}: not a TFLite model ({fact}); download or export the file again")
    with reading(file, len(data)):
        model = tflite.Model.GetRootAs(data, 0)
        if model.SubgraphsLength() < 1:
            raise ModelError(f"{file}: the file holds no network; convert the model again")
        # Others are of other signatures, or of control flow, whose operators are refused by name.
        graph = model.Subgraphs(0)
        tensors = [_tensor(model, graph.Tensors(i), i) for i in range(graph.TensorsLength())]
        tensors = _with_unique_names(tensors)
        nodes = [
            _node(model, graph.Operators(i), tensors, i) for i in range(graph.OperatorsLength())
        ]
        found = TfliteGraph(tensors, nodes)
        found.inputs = tuple(tensors[graph.Inputs(i)] for i in range(graph.InputsLength()))
        found.outputs = tuple(tensors[graph.Outputs(i)] for i in range(graph.OutputsLength()))
        for i in range(graph.TensorsLength()):
            tensor = graph.Tensors(i)
            found.signatures[tensors[i].name] = tuple(
                int(tensor.ShapeSignature(k)) for k in range(tensor.ShapeSignatureLength())
            )
        return found


@cache
def _names(enumeration: str) -> dict[int, str]:
    import tflite

    members = vars(getattr(tflite, enumeration))
    return {value: key for key, value in members.items() if isinstance(value, int)}


def _tensor(model: Any, tensor: Any, index: int) -> SourceTensor:
    shape = tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))
    if math.prod(max(extent, 1) for extent in shape) > MOST_ELEMENTS:
        raise ValueError("a tensor larger than any memory")
    kind = _names("TensorType").get(tensor.Type(), "UNKNOWN")
    dtype = np.dtype(TYPES[kind]).name if kind in TYPES else kind.lower()
    buffer = model.Buffers(tensor.Buffer())
    value: Any = None
    if buffer.DataLength() > 0 and kind in TYPES:
        buffer.Data(buffer.DataLength() - 1)
        value = np.frombuffer(buffer.DataAsNumpy().tobytes(), TYPES[kind]).reshape(shape)
    elif buffer.DataLength() > 0 and kind == "INT4":
        # Constants of eight bits hold the same values.
        buffer.Data(buffer.DataLength() - 1)
        dtype, value = "int8", _nibbles(buffer.DataAsNumpy(), shape)
    elif 0 in shape and kind in TYPES:
        # The shape of a scalar, for instance: there is nothing to hold.
        value = np.empty(shape, TYPES[kind])
    scale = zero = None
    axis = 0
    quant = tensor.Quantization()
    if quant is not None and quant.ScaleLength() and dtype not in ("float32", "float16"):
        scale = np.array([quant.Scale(i) for i in range(quant.ScaleLength())], np.float32)
        count = quant.ZeroPointLength()
        zero = np.array([quant.ZeroPoint(i) for i in range(count)] or [0], np.int64)
        if scale.size > 1 and zero.size == 1:
            zero = np.repeat(zero, scale.size)
        axis = int(quant.QuantizedDimension())
    name = (tensor.Name() or b"").decode() or f"tensor{index}"
    if dtype == "bool":
        return SourceTensor.of_truths(name, shape, value)
    return SourceTensor(name, shape, dtype, value, scale, zero, axis=axis)


def _nibbles(data: Any, shape: tuple[int, ...]) -> Any:
    """Values of four bits, two in a byte, the first of them in its low half."""
    halves = np.stack([data << 4, data], axis=1).reshape(-1)[: math.prod(shape)]
    return (halves.view(np.int8) >> 4).reshape(shape)


def _with_unique_names(tensors: list[SourceTensor]) -> list[SourceTensor]:
    """Nothing in the format keeps two tensors from having one name."""
    from dataclasses import replace

    seen: set[str] = set()
    found = []
    for index, tensor in enumerate(tensors):
        if tensor.name in seen:
            tensor = replace(tensor, name=f"{tensor.name}#{index}")
        seen.add(tensor.name)
        found.append(tensor)
    return found


def _node(model: Any, operator: Any, tensors: list[SourceTensor], index: int) -> SourceNode:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Files before 2020 have the deprecated field only.
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = _names("BuiltinOperator").get(builtin, str(builtin))
    attrs = _options(operator)
    if name == "CUSTOM" and code.CustomCode():
        name = f"CUSTOM {code.CustomCode().decode()}"
        attrs = (
            {"custom_options": operator.CustomOptionsAsNumpy().tobytes()}
            if (operator.CustomOptionsLength())
            else {}
        )
    numbers = [int(operator.Inputs(k)) for k in range(operator.InputsLength())]
    inputs = tuple(tensors[i] if i >= 0 else None for i in numbers)
    outputs = tuple(tensors[operator.Outputs(k)] for k in range(operator.OutputsLength()))
    if not outputs:
        raise ValueError("an operator without outputs")
    return SourceNode(name, f"operator {index} ({outputs[0].name!r})", inputs, outputs, attrs)


def _options(operator: Any) -> dict[str, Any]:
    """All fields of the operator's options, as `snake_case`; enumerations by name."""
    import tflite

    kind = _names("BuiltinOptions").get(operator.BuiltinOptionsType(), "NONE")
    table = operator.BuiltinOptions()
    if table is None or not hasattr(tflite, kind):
        return {}
    options = getattr(tflite, kind)()
    options.Init(table.Bytes, table.Pos)
    found: dict[str, Any] = {}
    for getter in vars(type(options)):
        if getter.startswith(("_", "GetRootAs", "Init")) or getter.endswith(
            ("HasIdentifier", "AsNumpy", "IsNone")
        ):
            continue
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", getter).lower()
        if name.endswith("_length"):
            continue
        if hasattr(options, f"{getter}Length"):
            length = getattr(options, f"{getter}Length")()
            found[name] = [int(getattr(options, getter)(i)) for i in range(length)]
            continue
        value = getattr(options, getter)()
        if name in ENUMERATIONS:
            value = _names(ENUMERATIONS[name]).get(value, str(value))
        found[name] = value
    return found
