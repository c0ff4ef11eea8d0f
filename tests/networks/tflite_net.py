"""Small TFLite files, written table by table: any operator, any option, any quantisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
import tflite

__all__ = ["TfliteNet"]

TYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "float16": tflite.TensorType.FLOAT16,
    "int64": tflite.TensorType.INT64,
    "int32": tflite.TensorType.INT32,
    "int16": tflite.TensorType.INT16,
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
    "bool": tflite.TensorType.BOOL,
    "int4": tflite.TensorType.INT4,
}
VERSION = 2
"""Of every operator, but for those that have one only."""
ONE_VERSION = (
    "CEIL", "CUMSUM", "DEPTH_TO_SPACE", "ELU", "FLOOR", "GATHER_ND", "HARD_SWISH",
    "L2_NORMALIZATION", "LOGICAL_NOT", "NEG", "ONE_HOT", "POW", "PRELU", "REDUCE_ALL", "REDUCE_ANY",
    "RELU_0_TO_1", "RELU_N1_TO_1", "RESHAPE", "ROUND", "SHAPE", "SQUARE", "SQUARED_DIFFERENCE",
    "SQUEEZE",
)  # fmt: skip
BYTES = 1 << 16


@dataclass
class _Tensor:
    name: str
    shape: tuple[int, ...]
    dtype: str
    data: Any
    scale: Any
    zero_point: Any
    axis: int
    signature: tuple[int, ...] | None = None
    variable: bool = False


class TfliteNet:
    """A network under construction; tensors are numbers."""

    def __init__(self) -> None:
        self.tensors: list[_Tensor] = []
        self.operators: list[tuple[str, list[int], list[int], str, dict[str, Any]]] = []

    def tensor(
        self,
        shape: Any,
        dtype: str = "float32",
        scale: Any = None,
        zero_point: Any = 0,
        data: Any = None,
        axis: int = 0,
        name: str | None = None,
        signature: tuple[int, ...] | None = None,
        variable: bool = False,
    ) -> int:
        """A new tensor; `data` makes it a constant, `scale` a quantised one.

        A `variable` keeps its values between inferences. `signature` is the shape
        with -1 for what the converter does not know.
        """
        number = len(self.tensors)
        shape = tuple(int(x) for x in shape)
        name = name or f"t{number}"
        made = _Tensor(name, shape, dtype, data, scale, zero_point, axis, signature, variable)
        self.tensors.append(made)
        return number

    def constant(self, data: Any, **quantisation: Any) -> int:
        """A constant tensor."""
        array = np.asarray(data)
        return self.tensor(array.shape, str(array.dtype), data=array, **quantisation)

    def add(
        self, operator: str, inputs: list[int], outputs: list[int], options: str = "", **fields: Any
    ) -> int:
        """An operator with `options` (such as "Conv2DOptions") of `fields`; its first output."""
        self.operators.append((operator, inputs, outputs, options, fields))
        return outputs[0]

    def build(self, inputs: list[int], outputs: list[int], signatures: int = 1) -> bytes:
        """The file; with several `signatures` each is the same network again."""
        b = flatbuffers.Builder(BYTES)
        codes = list(dict.fromkeys(operator for operator, *_ in self.operators))
        buffers = [self._buffer(b, None)]
        tensors = []
        for tensor in self.tensors:
            number = 0
            if tensor.data is not None:
                number = len(buffers)
                buffers.append(self._buffer(b, np.ascontiguousarray(tensor.data)))
            tensors.append(self._tensor(b, tensor, number))
        operators = [self._operator(b, codes, *entry) for entry in self.operators]
        parts = [
            self._offsets(b, tflite.SubGraphStartTensorsVector, tensors),
            self._ints(b, tflite.SubGraphStartInputsVector, inputs),
            self._ints(b, tflite.SubGraphStartOutputsVector, outputs),
            self._offsets(b, tflite.SubGraphStartOperatorsVector, operators),
        ]
        tflite.SubGraphStart(b)
        for name, part in zip(("Tensors", "Inputs", "Outputs", "Operators"), parts, strict=True):
            getattr(tflite, f"SubGraphAdd{name}")(b, part)
        graph = tflite.SubGraphEnd(b)
        graphs = self._offsets(b, tflite.ModelStartSubgraphsVector, [graph] * signatures)
        code_offsets = self._offsets(
            b, tflite.ModelStartOperatorCodesVector, [self._code(b, code) for code in codes]
        )
        buffer_offsets = self._offsets(b, tflite.ModelStartBuffersVector, buffers)
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddOperatorCodes(b, code_offsets)
        tflite.ModelAddSubgraphs(b, graphs)
        tflite.ModelAddBuffers(b, buffer_offsets)
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        return bytes(b.Output())

    def _buffer(self, b: Any, array: Any) -> int:
        data = None if array is None else b.CreateByteVector(array.tobytes())
        tflite.BufferStart(b)
        if data is not None:
            tflite.BufferAddData(b, data)
        return int(tflite.BufferEnd(b))

    def _tensor(self, b: Any, tensor: _Tensor, buffer: int) -> int:
        name = b.CreateString(tensor.name)
        quantisation = None
        if tensor.scale is not None:
            scale = np.atleast_1d(np.asarray(tensor.scale, np.float32))
            zero = np.broadcast_to(np.asarray(tensor.zero_point, np.int64), scale.shape)
            vectors = b.CreateNumpyVector(scale), b.CreateNumpyVector(np.ascontiguousarray(zero))
            tflite.QuantizationParametersStart(b)
            tflite.QuantizationParametersAddScale(b, vectors[0])
            tflite.QuantizationParametersAddZeroPoint(b, vectors[1])
            tflite.QuantizationParametersAddQuantizedDimension(b, tensor.axis)
            quantisation = tflite.QuantizationParametersEnd(b)
        shape = self._ints(b, tflite.TensorStartShapeVector, tensor.shape)
        signature = None
        if tensor.signature is not None:
            signature = self._ints(b, tflite.TensorStartShapeSignatureVector, tensor.signature)
        tflite.TensorStart(b)
        if signature is not None:
            tflite.TensorAddShapeSignature(b, signature)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, TYPES[tensor.dtype])
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddName(b, name)
        if tensor.variable:
            tflite.TensorAddIsVariable(b, True)
        if quantisation is not None:
            tflite.TensorAddQuantization(b, quantisation)
        return int(tflite.TensorEnd(b))

    def _operator(
        self,
        b: Any,
        codes: list[str],
        operator: str,
        inputs: list[int],
        outputs: list[int],
        options: str,
        fields: dict[str, Any],
    ) -> int:
        ends = [
            self._ints(b, tflite.OperatorStartInputsVector, inputs),
            self._ints(b, tflite.OperatorStartOutputsVector, outputs),
        ]
        table = None
        if options:
            values = {
                name: self._ints(b, getattr(tflite, f"{options}Start{_camel(name)}Vector"), value)
                if isinstance(value, list | tuple)
                else value
                for name, value in fields.items()
            }
            getattr(tflite, f"{options}Start")(b)
            for name, value in values.items():
                getattr(tflite, f"{options}Add{_camel(name)}")(b, value)
            table = getattr(tflite, f"{options}End")(b)
        custom = None
        if operator.startswith("CUSTOM ") and "data" in fields:
            custom = b.CreateByteVector(fields["data"])
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, codes.index(operator))
        tflite.OperatorAddInputs(b, ends[0])
        tflite.OperatorAddOutputs(b, ends[1])
        if table is not None:
            tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, options))
            tflite.OperatorAddBuiltinOptions(b, table)
        if custom is not None:
            tflite.OperatorAddCustomOptions(b, custom)
        return int(tflite.OperatorEnd(b))

    def _code(self, b: Any, name: str) -> int:
        custom = b.CreateString(name.split(" ", 1)[1]) if name.startswith("CUSTOM ") else None
        number = getattr(tflite.BuiltinOperator, name.split(" ")[0])
        tflite.OperatorCodeStart(b)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(number, 127))
        tflite.OperatorCodeAddBuiltinCode(b, number)
        tflite.OperatorCodeAddVersion(b, self._version(name))
        if custom is not None:
            tflite.OperatorCodeAddCustomCode(b, custom)
        return int(tflite.OperatorCodeEnd(b))

    def _version(self, name: str) -> int:
        return 1 if name.split(" ")[0] in ("CUSTOM", *ONE_VERSION) else VERSION

    def _ints(self, b: Any, start: Any, values: Any) -> int:
        start(b, len(values))
        for value in reversed(list(values)):
            b.PrependInt32(int(value))
        return int(b.EndVector())

    def _offsets(self, b: Any, start: Any, values: list[int]) -> int:
        start(b, len(values))
        for value in reversed(values):
            b.PrependUOffsetTRelative(value)
        return int(b.EndVector())


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
