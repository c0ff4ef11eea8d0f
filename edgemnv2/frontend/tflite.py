"""TFLite -> `Model`, through TVM's importer and the operators that it refuses when quantised."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.errors import ModelError
from edgemnv2.frontend.damage import reading
from edgemnv2.frontend.layout import input_layout, output_layout
from edgemnv2.frontend.supported import TFLITE_OPERATORS, check_nodes
from edgemnv2.frontend.tflite_nodes import check_ends, dtype_of, source_nodes
from edgemnv2.model import Model, QuantParams, TensorSpec

__all__ = ["load_tflite"]

FILE_IDENTIFIER = b"TFL3"
# By TFLite's ActivationFunctionType: RELU, RELU_N1_TO_1, RELU6.
ACTIVATION_RANGES = {1: (0.0, math.inf), 2: (-1.0, 1.0), 3: (0.0, 6.0)}


def load_tflite(path: Path) -> Model:
    """The network of a .tflite file; ModelError if it is none, or not one that we can compile."""
    data = path.read_bytes()
    flat = _parse(data, path.name)
    module = _import(flat, path.name)
    main = module["main"]
    graph = flat.Subgraphs(0)
    inputs = tuple(
        _spec(graph.Tensors(graph.Inputs(i)), input_layout(main, parameter))
        for i, parameter in enumerate(main.params)
    )
    body = main.body.body
    results = list(body.fields) if hasattr(body, "fields") else [body]
    outputs = tuple(
        _spec(graph.Tensors(graph.Outputs(i)), output_layout(main, result))
        for i, result in enumerate(results)
    )
    sha256 = hashlib.sha256(data).hexdigest()
    return Model(path.stem, module, inputs, outputs, path.name, sha256, "tflite")


def _parse(data: bytes, name: str) -> Any:
    """The flat buffer, walked and checked once, so that a bad file fails here and not in TVM."""
    import tflite

    if data[4:8] != FILE_IDENTIFIER:
        raise ModelError(
            f"{name}: not a TFLite model (bytes 4 to 8 are {data[4:8]!r}, must be "
            f"{FILE_IDENTIFIER!r}); download or export the file again"
        )
    with reading(name, len(data)):
        model = tflite.Model.GetRootAs(data, 0)
        graph = model.Subgraphs(0)
        for i in range(graph.OperatorsLength()):
            operator = graph.Operators(i)
            model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
            operator.InputsAsNumpy()
        for i in range(graph.TensorsLength()):
            tensor = graph.Tensors(i)
            tensor.ShapeAsNumpy()
            tensor.Name().decode()
            _check_buffer(model, tensor)
        check_ends(model, name)
        nodes = source_nodes(model)
    check_nodes(nodes, name, TFLITE_OPERATORS)
    return model


def _check_buffer(model: Any, tensor: Any) -> None:
    """IndexError if the tensor's constant data reaches outside the file."""
    buffer = model.Buffers(tensor.Buffer())
    length = buffer.DataLength()
    if length:
        buffer.Data(length - 1)


def stored(real: float, scale: float, zero_point: int, dtype: str) -> float:
    """`real` as a stored value, as TFLite's CalculateActivationRangeQuantized rounds it."""
    limits = np.iinfo(dtype)
    if math.isinf(real):
        return float(limits.max)
    ratio = float(np.float32(real) / np.float32(scale))
    rounded = math.copysign(math.floor(abs(ratio) + 0.5), ratio)
    return float(min(max(rounded + zero_point, limits.min), limits.max))


def _import(flat: Any, name: str) -> Any:
    from tvm import relax
    from tvm.relax.frontend.tflite import from_tflite
    from tvm.relax.frontend.tflite.tflite_frontend import OperatorConverter

    class Converter(OperatorConverter):  # type: ignore[misc]
        """TVM's converter, its gaps closed for MobileNetV2."""

        # Both move integers and leave scale and zero point alone; TVM refuses them all the same.
        _SUPPORTED_QUANTIZED_OPS = OperatorConverter._SUPPORTED_QUANTIZED_OPS | {
            "PAD",
            "TRANSPOSE",
        }

        def convert_qnn_fused_activation_function(
            self, expr: Any, fused_activation_fn: int, scale: float, zero_point: int, dtype: str
        ) -> Any:
            """TVM rounds limits in double and halves to even; TFLite in float32, away from 0."""
            if fused_activation_fn not in ACTIVATION_RANGES:
                return expr
            limits = [
                stored(x, float(scale), int(zero_point), dtype)
                for x in ACTIVATION_RANGES[fused_activation_fn]
            ]
            return relax.op.clip(expr, *limits)

    try:
        return from_tflite(flat, op_converter=Converter)
    except Exception as error:  # TVM has no error class of its own for this
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise ModelError(f"{name}: TVM's TFLite importer refuses the model: {reason}") from error


def _spec(tensor: Any, layout: str) -> TensorSpec:
    dtype = dtype_of(tensor)
    quant = tensor.Quantization()
    params = None
    if dtype != "float32" and quant is not None and quant.ScaleLength() == 1:
        scale = float(quant.Scale(0))
        if scale > 0 and math.isfinite(scale):
            params = QuantParams(scale, int(quant.ZeroPoint(0)))
    shape = tuple(int(x) for x in tensor.ShapeAsNumpy())
    return TensorSpec(tensor.Name().decode(), shape, dtype, layout, params)
