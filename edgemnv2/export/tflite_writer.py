"""Writes TFLite files: tensors, operators, options; no TensorFlow needed.

The schema is TensorFlow's `schema.fbs`, through the package `tflite`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray

__all__ = ["TfliteWriter"]

Array = NDArray[Any]

TYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
    "int32": tflite.TensorType.INT32,
    "float16": tflite.TensorType.FLOAT16,
    "int16": tflite.TensorType.INT16,
    "int64": tflite.TensorType.INT64,
}

# The newest version that LiteRT knows, where that is below 3.
VERSIONS = {
    tflite.BuiltinOperator.ARG_MAX: 2,
    tflite.BuiltinOperator.ARG_MIN: 2,
    tflite.BuiltinOperator.RESHAPE: 1,
}


@dataclass
class _Tensor:
    name: str
    shape: tuple[int, ...]
    dtype: str
    data: Array | None
    scale: Array | None
    zero_point: Sequence[int] | None
    axis: int
    signature: tuple[int, ...] | None


@dataclass
class _Operator:
    code: int
    inputs: list[int]
    output: int
    options: str | None
    values: dict[str, Any]


@dataclass
class TfliteWriter:
    """Collects tensors and operators; `build` gives the bytes of the file."""

    tensors: list[_Tensor] = field(default_factory=list)
    operators: list[_Operator] = field(default_factory=list)

    def tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: str = "float32",
        data: Array | None = None,
        scale: float | Sequence[float] | None = None,
        zero_point: int = 0,
        axis: int = 0,
        signature: tuple[int, ...] | None = None,
    ) -> int:
        """Number of a new tensor; with `data` a constant. `scale` one, or one per `axis`."""
        scales = None if scale is None else np.atleast_1d(np.asarray(scale, np.float32))
        zeros = None if scales is None else [zero_point] * len(scales)
        self.tensors.append(_Tensor(name, shape, dtype, data, scales, zeros, axis, signature))
        return len(self.tensors) - 1

    def constant(self, name: str, data: Array, **quant: Any) -> int:
        """Number of a new constant tensor."""
        return self.tensor(name, data.shape, data.dtype.name, data, **quant)

    def operator(
        self, op: str, inputs: list[int], output: int, options: str | None = None, **values: Any
    ) -> int:
        """`output` again; `op` as in BuiltinOperator, `options` the name of its options table."""
        code = getattr(tflite.BuiltinOperator, op)
        self.operators.append(_Operator(code, inputs, output, options, values))
        return output

    def build(self, inputs: list[int], outputs: list[int]) -> bytes:
        """The file's bytes."""
        b = flatbuffers.Builder(1024)
        codes = sorted({x.code for x in self.operators})
        buffers = [self._buffer(b, None), *(self._buffer(b, x.data) for x in self.tensors)]
        tensors = [self._tensor(b, x, i + 1) for i, x in enumerate(self.tensors)]
        operators = [self._operator(b, x, codes.index(x.code)) for x in self.operators]
        subgraph = self._subgraph(b, tensors, operators, inputs, outputs)
        code_tables = []
        for code in codes:
            tflite.OperatorCodeStart(b)
            tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(code, 127))
            tflite.OperatorCodeAddBuiltinCode(b, code)
            tflite.OperatorCodeAddVersion(b, VERSIONS.get(code, 3))
            code_tables.append(tflite.OperatorCodeEnd(b))
        code_vector = _offsets(b, code_tables)
        graph_vector = _offsets(b, [subgraph])
        buffer_vector = _offsets(b, buffers)
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddOperatorCodes(b, code_vector)
        tflite.ModelAddSubgraphs(b, graph_vector)
        tflite.ModelAddBuffers(b, buffer_vector)
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        return bytes(b.Output())

    def _buffer(self, b: Any, data: Array | None) -> int:
        vector = None
        if data is not None:
            raw = np.ascontiguousarray(data).tobytes()
            b.StartVector(1, len(raw), 16)
            b.head -= len(raw)
            b.Bytes[b.head : b.head + len(raw)] = raw
            vector = b.EndVector()
        tflite.BufferStart(b)
        if vector is not None:
            tflite.BufferAddData(b, vector)
        return int(tflite.BufferEnd(b))

    def _tensor(self, b: Any, x: _Tensor, buffer: int) -> int:
        name = b.CreateString(x.name)
        shape = b.CreateNumpyVector(np.asarray(x.shape, np.int32))
        signature = None
        if x.signature is not None:
            signature = b.CreateNumpyVector(np.asarray(x.signature, np.int32))
        quant = None
        if x.scale is not None:
            scale = b.CreateNumpyVector(np.asarray(x.scale, np.float32))
            zero = b.CreateNumpyVector(np.asarray(x.zero_point, np.int64))
            tflite.QuantizationParametersStart(b)
            tflite.QuantizationParametersAddScale(b, scale)
            tflite.QuantizationParametersAddZeroPoint(b, zero)
            tflite.QuantizationParametersAddQuantizedDimension(b, x.axis)
            quant = tflite.QuantizationParametersEnd(b)
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, TYPES[x.dtype])
        tflite.TensorAddBuffer(b, buffer if x.data is not None else 0)
        tflite.TensorAddName(b, name)
        if signature is not None:
            tflite.TensorAddShapeSignature(b, signature)
        if quant is not None:
            tflite.TensorAddQuantization(b, quant)
        return int(tflite.TensorEnd(b))

    def _operator(self, b: Any, x: _Operator, code: int) -> int:
        inputs = b.CreateNumpyVector(np.asarray(x.inputs, np.int32))
        outputs = b.CreateNumpyVector(np.asarray([x.output], np.int32))
        options = None
        if x.options is not None:
            getattr(tflite, f"{x.options}Start")(b)
            for key, value in x.values.items():
                getattr(tflite, f"{x.options}Add{key}")(b, value)
            options = getattr(tflite, f"{x.options}End")(b)
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, code)
        tflite.OperatorAddInputs(b, inputs)
        tflite.OperatorAddOutputs(b, outputs)
        if options is not None:
            tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, str(x.options)))
            tflite.OperatorAddBuiltinOptions(b, options)
        return int(tflite.OperatorEnd(b))

    def _subgraph(
        self, b: Any, tensors: list[int], operators: list[int], inputs: Any, outputs: Any
    ) -> int:
        tensor_vector, operator_vector = _offsets(b, tensors), _offsets(b, operators)
        input_vector = b.CreateNumpyVector(np.asarray(inputs, np.int32))
        output_vector = b.CreateNumpyVector(np.asarray(outputs, np.int32))
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensor_vector)
        tflite.SubGraphAddInputs(b, input_vector)
        tflite.SubGraphAddOutputs(b, output_vector)
        tflite.SubGraphAddOperators(b, operator_vector)
        return int(tflite.SubGraphEnd(b))


def _offsets(b: Any, items: list[int]) -> int:
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return int(b.EndVector())
