"""ONNX -> ONNX: what must be settled before the importer reads the file.

Batch 1, no nodes that compute shapes, no Identity or Dropout, explicit convolution padding; and
the `SourceNode` view of the result that the constraints are checked on.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import DynamicShape, ModelError
from edgemnv2.frontend.source_node import SourceNode, SourceTensor

__all__ = ["prepare", "source_nodes"]

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
    shapes = _infer_shapes(model)
    for node in model.graph.node:
        if node.op_type == "Conv":
            _explicit_padding(node, shapes)
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
            start, end = _attribute(node, "start", 0), _attribute(node, "end", None)
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


def _attribute(node: Any, name: str, default: Any) -> Any:
    import onnx

    for attribute in node.attribute:
        if attribute.name == name:
            value = onnx.helper.get_attribute_value(attribute)
            return value.decode() if isinstance(value, bytes) else value
    return default


def _explicit_padding(node: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    """`auto_pad` -> `pads`, as the ONNX specification computes them."""
    import onnx

    mode = _attribute(node, "auto_pad", "NOTSET")
    source, weight = shapes.get(node.input[0]), shapes.get(node.input[1])
    if mode == "NOTSET" or source is None or weight is None or len(source) != 4:
        return
    pads = [0, 0, 0, 0]
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        strides = _attribute(node, "strides", [1, 1])
        dilations = _attribute(node, "dilations", [1, 1])
        for axis in range(2):
            extent, stride = source[2 + axis], strides[axis]
            window = (weight[2 + axis] - 1) * dilations[axis] + 1
            total = max(0, (math.ceil(extent / stride) - 1) * stride + window - extent)
            less, more = total // 2, total - total // 2
            upper = mode == "SAME_UPPER"
            pads[axis], pads[2 + axis] = (less, more) if upper else (more, less)
    kept = [x for x in node.attribute if x.name not in ("auto_pad", "pads")]
    kept.append(onnx.helper.make_attribute("pads", pads))
    del node.attribute[:]
    node.attribute.extend(kept)


# -- the view that constraints read ----------------------------------------------------------------


def source_nodes(model: Any) -> list[SourceNode]:
    """The nodes of a prepared model, as the constraints see them."""
    import onnx

    shapes, dtypes = _infer_shapes(model), _dtypes(model)
    arrays = {x.name: x for x in model.graph.initializer}
    known: dict[str, SourceTensor] = {}

    def tensor(name: str) -> SourceTensor | None:
        if not name:
            return None
        if name not in known:
            initializer = arrays.get(name)
            value = None
            if initializer is not None and int(np.prod(initializer.dims)) <= 64:
                value = onnx.numpy_helper.to_array(initializer)
            constant = initializer is not None
            known[name] = SourceTensor(
                name, shapes.get(name), dtypes.get(name, ""), value, constant
            )
        return known[name]

    nodes = []
    for index, proto in enumerate(model.graph.node):
        inputs = tuple(tensor(x) for x in proto.input)
        output = tensor(proto.output[0])
        assert output is not None
        constant = bool(inputs) and all(x is None or x.constant for x in inputs)
        if constant:
            # Such as the dequantised weights of a QDQ file: constant behind the node, too.
            output = SourceTensor(output.name, output.shape, output.dtype, None, True)
            known[output.name] = output
        attrs = _attributes(proto, inputs, output)
        place = f"node {proto.name!r}" if proto.name else f"node {index} (to {output.name!r})"
        nodes.append(SourceNode(str(proto.op_type), place, inputs, output, attrs))
    return nodes


def _dtypes(model: Any) -> dict[str, str]:
    """Types of the tensors that a quantised file tells apart."""
    import onnx

    def name(code: int) -> str:
        return str(onnx.helper.tensor_dtype_to_np_dtype(code))

    found = {x.name: name(x.data_type) for x in model.graph.initializer}
    for value in model.graph.input:
        found[value.name] = name(value.type.tensor_type.elem_type)
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            zero_point = node.input[2] if len(node.input) > 2 else ""
            found[node.output[0]] = found.get(zero_point, "uint8")
        elif node.op_type == "DequantizeLinear":
            found[node.output[0]] = "float32"
        elif node.input:
            found[node.output[0]] = found.get(node.input[0], "float32")
    return found


def _attributes(node: Any, inputs: Any, output: SourceTensor) -> dict[str, Any]:
    kind = node.op_type
    if kind == "Conv":
        source, weight = inputs[0], inputs[1]
        group = int(_attribute(node, "group", 1))
        inner = source.shape[1] if source and source.shape and len(source.shape) > 1 else None
        outer = weight.shape[0] if weight and weight.shape else None
        return {
            "group": group,
            "in_channels": inner if inner is not None else group,
            "out_channels": outer if outer is not None else group,
            "dilation": tuple(_attribute(node, "dilations", (1, 1))),
        }
    if kind == "Gemm":
        return {"transposed_activation": bool(_attribute(node, "transA", 0))}
    if kind == "BatchNormalization":
        return {"training": bool(_attribute(node, "training_mode", 0))}
    if kind == "Pad":
        return _pad_attributes(node, inputs)
    if kind in ("GlobalAveragePool", "AveragePool", "ReduceMean"):
        return {"output_pixels": _output_pixels(node, inputs, output)}
    if kind == "Softmax":
        return {"axis": int(_attribute(node, "axis", -1))}
    if kind == "Transpose":
        return {"permutation": _attribute(node, "perm", None)}
    return {}


def _pad_attributes(node: Any, inputs: Any) -> dict[str, Any]:
    pads = _attribute(node, "pads", None)
    value = _attribute(node, "value", 0.0)
    if len(inputs) > 1 and inputs[1] is not None:
        pads = None if inputs[1].value is None else [int(x) for x in inputs[1].value]
    if len(inputs) > 2 and inputs[2] is not None and inputs[2].value is not None:
        value = float(inputs[2].value.reshape(()))
    if inputs[0] is not None and inputs[0].dtype in ("int8", "uint8"):
        # A stored value; lowering compares it with the tensor's zero point.
        value = 0.0
    return {"mode": _attribute(node, "mode", "constant"), "pads": pads, "value": value}


def _output_pixels(node: Any, inputs: Any, output: SourceTensor) -> int | None:
    """Pixels that are left; 1 is what a global mean leaves, None is unknown."""
    source = inputs[0]
    if source is None or source.shape is None or output.shape is None:
        return None
    if node.op_type != "ReduceMean":
        return int(np.prod(output.shape[2:]))
    axes = _attribute(node, "axes", None)
    if len(inputs) > 1 and inputs[1] is not None and inputs[1].value is not None:
        axes = [int(x) for x in inputs[1].value]
    rank = len(source.shape)
    axes = range(rank) if axes is None else [x % rank for x in axes]
    spatial = ({2, 3}, {1, 2}) if rank == 4 else ({rank - 1}, {1})
    return 1 if set(axes) in spatial else max(2, int(np.prod(output.shape)))
