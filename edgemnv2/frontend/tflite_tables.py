"""The tables of a TFLite file -> tensors and nodes in the terms that import rules read."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

import flatbuffers
import numpy as np

from edgemnv2.errors import ModelError
from edgemnv2.frontend.damage import reading
from edgemnv2.ops.source import MOST_ELEMENTS, SourceNode, SourceTensor

__all__ = ["TfliteGraph", "operator_number", "read_tables"]

FILE_IDENTIFIER = b"TFL3"
LEAST_BYTES = 8
"""Where the root table lies, and the identifier."""
BUILTIN_CODE_FIELD = 10
"""Of an operator's code: where its table has the place of `builtin_code`, the fourth field."""
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
        tensors = [_tensor(model, data, graph.Tensors(i), i) for i in range(graph.TensorsLength())]
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


def _tensor(model: Any, file: bytes, tensor: Any, index: int) -> SourceTensor:
    shape = tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))
    if math.prod(max(extent, 1) for extent in shape) > MOST_ELEMENTS:
        raise ValueError("a tensor larger than any memory")
    kind = _names("TensorType").get(tensor.Type(), "UNKNOWN")
    dtype = np.dtype(TYPES[kind]).name if kind in TYPES else kind.lower()
    held = _held(model.Buffers(tensor.Buffer()), file)
    value: Any = None
    if held and kind in TYPES:
        value = np.frombuffer(held, TYPES[kind]).reshape(shape)
    elif held and kind == "INT4":
        # Constants of eight bits hold the same values.
        dtype, value = "int8", _nibbles(np.frombuffer(held, np.uint8), shape)
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


def _held(buffer: Any, file: bytes) -> bytes:
    """The bytes of a buffer: its own, or those at its place behind the tables.

    AI Edge Quantizer writes larger constants there, beyond what offsets of 32 bits would reach.
    """
    count = buffer.DataLength()
    if count:
        buffer.Data(count - 1)
        return bytes(buffer.DataAsNumpy().tobytes())
    # As LiteRT has it, 0 and 1 say that there is none.
    start, size = buffer.Offset(), buffer.Size()
    if start <= 1 or size <= 1:
        return b""
    if start + size > len(file):
        raise ValueError("a buffer that ends behind the file")
    return file[start : start + size]


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
    builtin = operator_number(code)
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


def operator_number(code: Any) -> int:
    """Which operator an operator's code says, as LiteRT reads it: the larger one of two fields.

    Files before 2020 have the deprecated one only, those of AI Edge Quantizer the other one, which
    `code.BuiltinCode` does not look at where it is below 127.
    """
    table = code._tab
    place = table.Offset(BUILTIN_CODE_FIELD)
    number = table.Get(flatbuffers.number_types.Int32Flags, place + table.Pos) if place else 0
    return max(int(number), int(code.DeprecatedBuiltinCode()))


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
