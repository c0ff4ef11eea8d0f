"""ONNX -> `Model`, through TVM's importer with Clip and Pad kept as operators."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
from pathlib import Path
from typing import Any

from edgemnv2.errors import ModelError
from edgemnv2.frontend.damage import reading
from edgemnv2.frontend.layout import input_layout, output_layout
from edgemnv2.frontend.onnx_prepare import prepare, source_nodes
from edgemnv2.frontend.supported import ONNX_OPERATORS, check_nodes
from edgemnv2.model import Model, TensorSpec

__all__ = ["load_onnx"]


def load_onnx(path: Path) -> Model:
    """The network of an .onnx file; ModelError if it is none, or not one that we can compile."""
    data = path.read_bytes()
    proto = _parse(data, path)
    with reading(path.name, len(data)):
        fixed = prepare(proto, path.name)
        nodes = source_nodes(fixed)
    check_nodes(nodes, path.name, ONNX_OPERATORS)
    module = _import(fixed, path.name)
    main = module["main"]
    initializers = {x.name for x in fixed.graph.initializer}
    values = [x for x in fixed.graph.input if x.name not in initializers]
    inputs = tuple(
        _spec(value, input_layout(main, parameter))
        for value, parameter in zip(values, main.params, strict=True)
    )
    body = main.body.body
    results = list(body.fields) if hasattr(body, "fields") else [body]
    outputs = tuple(
        TensorSpec(
            value.name,
            tuple(int(x) for x in result.ty.shape),
            _dtype(result.ty),
            output_layout(main, result),
        )
        for value, result in zip(fixed.graph.output, results, strict=True)
    )
    sha256 = hashlib.sha256(data).hexdigest()
    return Model(path.stem, module, inputs, outputs, path.name, sha256, "onnx")


def _dtype(ty: Any) -> str:
    return str(getattr(ty.dtype, "dtype", ty.dtype))


def _parse(data: bytes, path: Path) -> Any:
    import onnx

    try:
        # From the path, so that weights in external files are found beside it.
        proto = onnx.load(str(path))
    except Exception as error:  # protobuf and onnx raise different ones for the same damage
        raise ModelError(
            f"{path.name}: not an ONNX model, or a truncated one ({len(data)} bytes): protobuf "
            f"cannot read it; download or export it again ({type(error).__name__})"
        ) from error
    if not proto.graph.node or not proto.graph.output:
        raise ModelError(
            f"{path.name}: no network in it ({len(data)} bytes, no nodes): not an ONNX model, or "
            "a truncated one; download or export it again"
        )
    return proto


def _import(proto: Any, name: str) -> Any:
    from tvm import relax
    from tvm.relax.frontend.onnx.onnx_frontend import ONNXGraphImporter

    class Importer(ONNXGraphImporter):  # type: ignore[misc]
        """TVM's importer; Clip and Pad stay operators instead of anonymous TIR functions."""

        def _convert_operator(self, op_name: str, inputs: Any, attrs: Any, opset: int) -> Any:
            if op_name == "Clip":
                low, high = _clip_bounds(inputs, attrs)
                return self.bb.normalize(relax.op.clip(inputs[0], low, high))
            if op_name == "Pad":
                pads, value = _pad_arguments(inputs, attrs)
                rank = len(pads) // 2
                width = [x for i in range(rank) for x in (pads[i], pads[rank + i])]
                return self.bb.normalize(relax.op.nn.pad(inputs[0], width, "constant", value))
            return super()._convert_operator(op_name, inputs, attrs, opset)

    opset = next((x.version for x in proto.opset_import if x.domain in ("", "ai.onnx")), 1)
    try:
        importer = Importer(None, "float32", keep_params_in_input=False, sanitize=True)
        # The importer prints the operator it fails on; the error below says it better.
        with contextlib.redirect_stdout(io.StringIO()):
            return importer.from_onnx(proto.graph, opset)
    except Exception as error:  # TVM has no error class of its own for this
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise ModelError(f"{name}: TVM's ONNX importer refuses the model: {reason}") from error


def _value(inputs: Any, index: int) -> Any:
    """Constant input `index` as NumPy, or None where it is left out."""
    operand = inputs[index] if index < len(inputs) else None
    return None if operand is None else operand.value.numpy()


def _clip_bounds(inputs: Any, attrs: Any) -> tuple[float, float]:
    low, high = _value(inputs, 1), _value(inputs, 2)
    return (
        float(attrs.get("min", -math.inf) if low is None else low.reshape(())),
        float(attrs.get("max", math.inf) if high is None else high.reshape(())),
    )


def _pad_arguments(inputs: Any, attrs: Any) -> tuple[list[int], float]:
    """`(pads of every axis, fill value)`, from the attributes (opset 2) or the inputs (11, 18)."""
    rank = len(inputs[0].ty.shape)
    pads = _value(inputs, 1)
    pads = list(attrs["pads"]) if pads is None else [int(x) for x in pads]
    value = _value(inputs, 2)
    axes = _value(inputs, 3)
    if axes is not None:
        count = len(axes)
        full = [0] * (2 * rank)
        for i, axis in enumerate(axes):
            full[int(axis) % rank] = pads[i]
            full[rank + int(axis) % rank] = pads[count + i]
        pads = full
    return pads, float(attrs.get("value", 0.0) if value is None else value.reshape(()))


def _spec(value: Any, layout: str) -> TensorSpec:
    import onnx

    kind = value.type.tensor_type
    shape = tuple(int(x.dim_value) for x in kind.shape.dim)
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return TensorSpec(value.name, shape, dtype, layout)
