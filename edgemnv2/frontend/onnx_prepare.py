"""ONNX -> ONNX: what must be settled before its nodes are read.

Batch 1, no nodes that compute shapes, no Identity or Dropout.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import DynamicShape, ModelError

__all__ = ["attribute", "inferred", "prepare"]

Array = NDArray[Any]
INPUT_TYPES = ("float32", "int8", "uint8")
# Nodes that only pass their first input on (Dropout in inference).
PASSING = ("Identity", "Dropout")
# What exporters compute shapes with; evaluated where every input is known.
SHAPE_ARITHMETIC = (
    "Add",
    "Cast",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Div",
    "Equal",
    "Expand",
    "Gather",
    "Identity",
    "Mul",
    "Range",
    "ReduceProd",
    "Reshape",
    "Shape",
    "Slice",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
    "Where",
)


def prepare(proto: Any, file: str) -> Any:
    """A copy of the model with one fixed image for input and no shape arithmetic left."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(proto)
    _check_ends(model, file)
    for value in _inputs(model):
        _fix_shape(value, file)
    shapes = _infer_shapes(model)
    _evaluate_known(model, shapes)
    _drop_passing(model)
    return model


def _inputs(model: Any) -> list[Any]:
    """The inputs that are no initializers (files of IR version 3 list both)."""
    initializers = {x.name for x in model.graph.initializer}
    return [x for x in model.graph.input if x.name not in initializers]


def _check_ends(model: Any, file: str) -> None:
    import onnx

    inputs = _inputs(model)
    for what, values in (("inputs", inputs), ("outputs", model.graph.output)):
        if len(values) != 1:
            names = ", ".join(repr(x.name) for x in values)
            raise ModelError(
                f"{file}: the model has {len(values)} {what} ({names}), must have 1; cut the model "
                "to the one that a MobileNetV2 has"
            )
    kind = inputs[0].type.tensor_type.elem_type
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(kind)) if kind else "unknown"
    if dtype not in INPUT_TYPES:
        raise ModelError(
            f"{file}: input {inputs[0].name!r} has type {dtype} (must be float32, int8 or uint8); "
            "export the model in float32"
        )


def _fix_shape(value: Any, file: str) -> None:
    """Batch -> 1; any other dimension must be a number."""
    dims = value.type.tensor_type.shape.dim
    if len(dims) != 4:
        raise ModelError(
            f"{file}: input {value.name!r} has {len(dims)} dimensions (must be one image: 4, "
            "[1, C, H, W] or [1, H, W, C])"
        )
    for index, dim in enumerate(dims):
        if dim.dim_value > 0:
            continue
        if index == 0:
            dim.dim_value = 1
            continue
        name = f" ({dim.dim_param!r})" if dim.dim_param else ""
        raise DynamicShape(
            f"{file}: input {value.name!r}: dimension {index}{name} is not fixed; height, width "
            "and channels must be numbers: export the model with a fixed input size"
        )
    if dims[0].dim_value != 1:
        raise ModelError(
            f"{file}: input {value.name!r} holds {dims[0].dim_value} images (must be 1 or a "
            "symbol); export the model with batch 1"
        )


def _infer_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors whose every dimension is a number."""
    import onnx

    for value in model.graph.output:
        # The file may promise the symbolic batch here.
        value.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception:  # inference is a help only: what it cannot tell is checked by the importer
        inferred = model.graph
    shapes = {x.name: tuple(x.dims) for x in model.graph.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        kind = value.type.tensor_type
        if not kind.HasField("shape"):
            continue
        dims = kind.shape.dim
        if all(x.HasField("dim_value") for x in dims):
            shapes.setdefault(value.name, tuple(int(x.dim_value) for x in dims))
    return shapes


def inferred(model: Any) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Shapes and types of the tensors that inference tells."""
    import onnx

    shapes = _infer_shapes(model)
    try:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception:  # a help only; the operators' own rules tell the rest
        graph = model.graph
    types = {x.name: x.data_type for x in model.graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        types.setdefault(value.name, value.type.tensor_type.elem_type)
    dtypes = {
        name: str(onnx.helper.tensor_dtype_to_np_dtype(code))
        for name, code in types.items()
        if code
    }
    return shapes, dtypes


def _evaluate_known(model: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    """Nodes whose inputs are all known -> initializers."""
    import onnx

    arrays = {x.name: x for x in model.graph.initializer}
    kept = []
    outputs = {x.name for x in model.graph.output}
    for node in model.graph.node:
        array = None
        if node.op_type == "Shape" and node.input[0] in shapes:
            dims = np.array(shapes[node.input[0]], np.int64)
            start, end = attribute(node, "start", 0), attribute(node, "end", None)
            array = dims[start:end]
        elif node.op_type in SHAPE_ARITHMETIC and all(not x or x in arrays for x in node.input):
            array = _evaluate(node, arrays, model)
        if array is None or len(node.output) != 1 or node.output[0] in outputs:
            kept.append(node)
            continue
        tensor = onnx.numpy_helper.from_array(array, node.output[0])
        arrays[node.output[0]] = tensor
        model.graph.initializer.append(tensor)
    _replace_nodes(model, kept)


def _evaluate(node: Any, arrays: dict[str, Any], model: Any) -> Array | None:
    """One node in the reference evaluator; None where it has no answer."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    values = {x: onnx.numpy_helper.to_array(arrays[x]) for x in node.input if x}
    inputs = [onnx.helper.make_tensor_value_info(x, 0, None) for x in values]
    output = onnx.helper.make_tensor_value_info(node.output[0], 0, None)
    graph = onnx.helper.make_graph([node], "constant", inputs, [output])
    single = onnx.helper.make_model(graph, opset_imports=list(model.opset_import))
    try:
        (result,) = ReferenceEvaluator(single).run(None, values)
    except Exception:  # then the node stays, and the constraints or the importer speak of it
        return None
    return np.asarray(result)


def _drop_passing(model: Any) -> None:
    names: dict[str, str] = {}
    outputs = {x.name for x in model.graph.output}
    kept = []
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
        if node.op_type in PASSING and node.output[0] not in outputs:
            names[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    _replace_nodes(model, kept)


def _replace_nodes(model: Any, nodes: list[Any]) -> None:
    import onnx

    copies = []
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copies.append(copy)
    del model.graph.node[:]
    model.graph.node.extend(copies)


def attribute(node: Any, name: str, default: Any) -> Any:
    """The value of an attribute of a node; `default` where it has none."""
    import onnx

    for attribute in node.attribute:
        if attribute.name == name:
            value = onnx.helper.get_attribute_value(attribute)
            return value.decode() if isinstance(value, bytes) else value
    return default
