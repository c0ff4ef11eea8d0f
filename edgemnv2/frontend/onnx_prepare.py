"""ONNX -> ONNX: what must be settled before its nodes are read.

Batch 1, no nodes that compute shapes, no branches, no Identity or Dropout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import ModelError
from edgemnv2.frontend.ends import InputShapes, check_input, check_names, settled_shape
from edgemnv2.frontend.onnx_floats import NARROW, WIDE, to_float32
from edgemnv2.frontend.onnx_inline import inline_branches
from edgemnv2.frontend.onnx_nibbles import widen_integers
from edgemnv2.model import Note

__all__ = ["attribute", "inferred", "prepare"]

Array = NDArray[Any]
GROWING = ("ConstantOfShape", "Expand", "Range")
MOST_SIZES = 64
"""Of a constant that may be sizes of another one."""
MOST_COMPUTED = 1 << 26
"""Of a constant that nodes compute: as a weight it would be 256 MiB."""
POOLS = ("AveragePool", "LpPool", "MaxPool")
# Nodes that only pass their first input on (Dropout in inference).
PASSING = ("Identity", "Dropout")
DOMAIN = "edgemnv2"
"""Of operators that files of `edgemnv2 quantize` have, and the standard does not."""
KEEPING_SHAPES = ("BiasGelu", "FastGelu", "Gelu", "GroupNormalization", "QuickGelu")
"""Of which, of the standard or of onnxruntime's own, inference may tell nothing."""
MORE_OUTPUTS = ("BatchNormalization", "Dropout", "LayerNormalization", "MaxPool")
"""Of which only the first output is what networks are made of."""
STANDARD = ("", "ai.onnx")
"""Domains of the operators that onnx's own evaluator knows."""
# What stays a node though every input is known: integers that weights are stored as, what is drawn
# by lot, branches (which are inlined) and loops, values that are no tensors.
UNKNOWABLE = (
    "Bernoulli", "DequantizeLinear", "DynamicQuantizeLinear", "If", "Loop", "Multinomial",
    "Optional", "OptionalGetElement", "OptionalHasElement", "QuantizeLinear", "RandomNormal",
    "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Scan", "SequenceAt",
    "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength",
    "SequenceMap", "Shape", "Size", "SplitToSequence",
)  # fmt: skip
# What the evaluator computes wrongly in some forms, or value by value in Python.
DISTRUSTED = (
    "AveragePool", "ConvTranspose", "DeformConv", "GatherElements", "GridSample",
    "GroupNormalization", "LpPool", "MaxPool", "MaxRoiPool", "MaxUnpool", "Mean",
    "NonMaxSuppression", "Resize", "RoiAlign", "Upsample",
)  # fmt: skip
OF_THE_LAST_AXIS = ("Hardmax", "LogSoftmax", "Softmax")
"""Until opset 13 over all axes from one on, which the evaluator does not know."""
ALONG_ONE_AXIS = 13


def prepare(
    proto: Any, file: str, input_shapes: InputShapes | None = None
) -> tuple[Any, tuple[Note, ...]]:
    """A copy of the model whose inputs have numbers for shapes, and no shape arithmetic left.

    With it what is computed otherwise than in the file. `input_shapes` are the user's, for inputs
    with symbols in theirs.
    """
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(proto)
    widen_integers(model)
    notes = to_float32(model, NARROW)
    _settle_inputs(model, file, input_shapes or {})
    # What one round computes, the size of a padding for instance, tells the shapes of the next.
    changed = True
    while changed:
        count = len(model.graph.node)
        shapes, _ = inferred(model, file)
        known = _evaluate_known(model, shapes, file)
        waits = any(node.op_type in ("If", "Shape", "Size") for node in model.graph.node)
        changed = inline_branches(model, known) or (waits and len(model.graph.node) < count)
        changed = _settle_pool(model, shapes) or changed
    # What is known has been computed in double by now.
    notes += to_float32(model, WIDE)
    _drop_passing(model)
    _drop_unread_outputs(model)
    return model, notes


def _settle_pool(model: Any, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """The first pool whose last window, rounded up to, begins behind the map, without that window.

    Frameworks leave it out; onnx, which tells the shapes of all that follows, counts it. Its pads
    then end where the last window does, and `counted_pads` are those of the file. Whether there was
    such a pool.
    """
    import onnx

    for node in model.graph.node:
        extents = shapes.get(node.input[0], ())[2:] if node.op_type in POOLS else ()
        if not extents or not attribute(node, "ceil_mode", 0):
            continue
        rank = len(extents)
        kernel = attribute(node, "kernel_shape", ())
        stride, dilation = (attribute(node, x, (1,) * rank) for x in ("strides", "dilations"))
        pads = list(attribute(node, "pads", (0,) * 2 * rank))
        if min(stride) < 1 or not len(kernel) == len(stride) == len(dilation) == len(pads) // 2:
            continue
        ends, behind = [], False
        for axis, extent in enumerate(extents):
            window = (kernel[axis] - 1) * dilation[axis] + 1
            before, after = pads[axis], pads[axis + rank]
            count = -(-(extent + before + after - window) // stride[axis]) + 1
            if count > 1 and (count - 1) * stride[axis] >= extent + before:
                count, behind = count - 1, True
            ends.append(max(0, (count - 1) * stride[axis] + window - extent - before))
        if behind:
            kept = [x for x in node.attribute if x.name not in ("ceil_mode", "pads")]
            del node.attribute[:]
            new = {"pads": [*pads[:rank], *ends], "counted_pads": pads}
            node.attribute.extend(kept)
            node.attribute.extend(onnx.helper.make_attribute(k, v) for k, v in new.items())
            return True
    return False


def _inputs(model: Any) -> list[Any]:
    """The inputs that are no initializers (files of IR version 3 list both)."""
    initializers = {x.name for x in model.graph.initializer}
    return [x for x in model.graph.input if x.name not in initializers]


def _settle_inputs(model: Any, file: str, wanted: InputShapes) -> None:
    """Every input of a type and rank that we compile; symbols -> numbers."""
    import onnx

    inputs = _inputs(model)
    check_names([x.name for x in inputs], [x.name for x in model.graph.output], wanted, file)
    for value in inputs:
        kind = value.type.tensor_type.elem_type
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(kind)) if kind else "unknown"
        dims = value.type.tensor_type.shape.dim
        check_input(value.name, dtype, len(dims), file, "export")
        extents = [x.dim_value if x.dim_value > 0 else str(x.dim_param) for x in dims]
        shape = settled_shape(value.name, extents, wanted.get(value.name), file, "export")
        for dim, extent in zip(dims, shape, strict=True):
            dim.dim_value = extent


def inferred(model: Any, file: str) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Shapes of the tensors whose every dimension is a number, and types, as far as onnx can tell.

    Raises ModelError where the file contradicts itself, so that onnx tells nothing.
    """
    import onnx

    inputs = {x.name: x for x in model.graph.input}
    for value in model.graph.output:
        # The file may promise the symbolic batch here.
        if value.name in inputs:
            value.CopyFrom(inputs[value.name])
        else:
            value.type.tensor_type.ClearField("shape")
    # Only of our own operators, which inference does not know, what the file says is kept.
    own = {name for node in model.graph.node if node.domain == DOMAIN for name in node.output}
    told = [value for value in model.graph.value_info if value.name in own]
    del model.graph.value_info[:]
    model.graph.value_info.extend(told)
    arrays = {x.name: x for x in model.graph.initializer}
    for node in model.graph.node:
        # What onnx computes on its way to the shapes, whatever it takes.
        if node.op_type in GROWING and all(not x or x in arrays for x in node.input):
            _check_count(node, arrays, model, file)
    unknown = _put_identities(model)
    try:
        graph = onnx.shape_inference.infer_shapes(model, check_type=True, data_prop=True).graph
    # The second is protobuf's, of a model of 2 GiB and more.
    except (onnx.shape_inference.InferenceError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"{file}: onnx cannot tell the shapes and types of its tensors ({reason}); try "
            f"onnx.checker.check_model({file!r}, full_check=True), and export the model again"
        ) from error
    finally:
        for node, own_node in unknown:
            node.CopyFrom(own_node)
    shapes = {x.name: tuple(x.dims) for x in model.graph.initializer}
    types = {x.name: x.data_type for x in model.graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        types.setdefault(value.name, kind.elem_type)
        dims = kind.shape.dim
        if kind.HasField("shape") and all(x.HasField("dim_value") for x in dims):
            shapes.setdefault(value.name, tuple(int(x.dim_value) for x in dims))
    dtypes = {
        name: str(onnx.helper.tensor_dtype_to_np_dtype(code))
        for name, code in types.items()
        if code
    }
    return shapes, dtypes


def _put_identities(model: Any) -> list[tuple[Any, Any]]:
    """Nodes that keep a shape without onnx knowing it become Identity; each, and what it was."""
    import onnx

    changed = []
    for node in model.graph.node:
        if node.op_type not in KEEPING_SHAPES or not node.input:
            continue
        before = onnx.NodeProto()
        before.CopyFrom(node)
        changed.append((node, before))
        node.CopyFrom(onnx.helper.make_node("Identity", [node.input[0]], [node.output[0]]))
    return changed


def _evaluate_known(model: Any, shapes: dict[str, tuple[int, ...]], file: str) -> dict[str, Any]:
    """Nodes whose inputs are all known -> initializers, which are returned by name."""
    import onnx

    arrays = {x.name: x for x in model.graph.initializer}
    opset = next((x.version for x in model.opset_import if x.domain in STANDARD), 1)
    kept = []
    outputs = {x.name for x in model.graph.output}
    for node in model.graph.node:
        made: list[Array] | None = None
        if node.op_type in ("Shape", "Size") and node.input[0] in shapes:
            dims = np.array(shapes[node.input[0]], np.int64)
            start, end = attribute(node, "start", 0), attribute(node, "end", None)
            made = [dims[start:end] if node.op_type == "Shape" else np.array(dims.prod())]
        elif _is_known(node, arrays, opset):
            made = _evaluate(node, arrays, model, file)
        if made is None or outputs & set(node.output):
            kept.append(node)
            continue
        for name, array in zip(node.output, made, strict=True):
            tensor = onnx.numpy_helper.from_array(array, name)
            arrays[name] = tensor
            model.graph.initializer.append(tensor)
    _replace_nodes(model, kept)
    return arrays


def _is_known(node: Any, arrays: Mapping[str, Any], opset: int) -> bool:
    """Whether onnx can compute a node: from constants, by an operator of the standard."""
    import onnx

    if node.domain not in STANDARD or node.op_type in (*UNKNOWABLE, *DISTRUSTED):
        return False
    if node.op_type in OF_THE_LAST_AXIS and opset < ALONG_ONE_AXIS:
        return False
    if any(x and x not in arrays for x in node.input):
        return False
    # Nor does it cut, as sizes below zero do.
    sizes = node.input[1:2] if node.op_type == "Pad" else ()
    return not any((onnx.numpy_helper.to_array(arrays[x]) < 0).any() for x in sizes)


def _evaluate(node: Any, arrays: dict[str, Any], model: Any, file: str) -> list[Array]:
    """One node of constants, by onnx's own evaluator; ModelError where it fails."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    _check_count(node, arrays, model, file)
    values = {x: onnx.numpy_helper.to_array(arrays[x]) for x in node.input if x}
    inputs = [onnx.helper.make_tensor_value_info(x, 0, None) for x in values]
    outputs = [onnx.helper.make_tensor_value_info(x, 0, None) for x in node.output]
    graph = onnx.helper.make_graph([node], "constant", inputs, outputs)
    single = onnx.helper.make_model(graph, opset_imports=list(model.opset_import))
    try:
        results = ReferenceEvaluator(single).run(None, values)
    except Exception as error:  # whatever NumPy raises in its operators
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{file}: node {node.name or node.output[0]!r}: {node.op_type} of constants cannot be "
            f"computed ({reason}); export the model again"
        ) from error
    return [np.asarray(x) for x in results]


def _check_count(node: Any, arrays: Mapping[str, Any], model: Any, file: str) -> None:
    """ModelError for a node of constants that makes one which no memory holds."""
    import onnx

    values = {x: onnx.numpy_helper.to_array(arrays[x]) for x in node.input if x}
    count = max(_elements(node, list(values.values())), _inferred(node, values, model))
    if count > MOST_COMPUTED:
        raise ModelError(
            f"{file}: node {node.name or node.output[0]!r}: {node.op_type} makes a constant of "
            f"{count} values (must be {MOST_COMPUTED} or fewer); export the model again"
        )


def _elements(node: Any, known: Sequence[Array]) -> int:
    """How many values a node makes of the constants `known`, or a few more, without making them."""
    op = node.op_type
    if op == "ConstantOfShape":
        return math.prod(max(int(x), 0) for x in known[0].reshape(-1))
    if op == "Range" and len(known) == 3:
        start, limit, delta = (float(x.reshape(-1)[0]) for x in known)
        return int(abs((limit - start) / delta)) if delta else 0
    if op == "Gather" and known[0].ndim:
        extent = known[0].shape[int(attribute(node, "axis", 0)) % known[0].ndim]
        return int(known[1].size * (known[0].size // max(extent, 1)))
    if op == "Tile":
        # Counted here, too: onnx multiplies in 64 bits, which may wrap around.
        return known[0].size * math.prod(max(int(x), 0) for x in known[1].reshape(-1))
    shapes = [x.shape for x in known]
    if op == "Expand":
        shapes = [known[0].shape, tuple(max(int(x), 1) for x in known[1].reshape(-1))]
    rank = max(map(len, shapes), default=0)
    spread = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    # Of elementwise operators each dimension is some operand's; of the others the sum is enough.
    return int(max(math.prod(map(max, zip(*spread, strict=True))), sum(x.size for x in known)))


def _inferred(node: Any, values: Mapping[str, Array], model: Any) -> int:
    """How many values a node makes as onnx infers its shapes; 0 where it cannot."""
    import onnx

    kind = onnx.helper.np_dtype_to_tensor_dtype
    ends = [
        onnx.helper.make_tensor_value_info(k, kind(x.dtype), x.shape) for k, x in values.items()
    ]
    # Of sizes, axes and repeats the values count; of all others the shape alone.
    told = [
        onnx.numpy_helper.from_array(x, k)
        for k, x in values.items()
        if x.size <= MOST_SIZES and x.dtype.kind in "iuf"
    ]
    graph = onnx.helper.make_graph([node], "constant", ends, [], told)
    single = onnx.helper.make_model(graph, opset_imports=list(model.opset_import))
    try:
        found = onnx.shape_inference.infer_shapes(single, data_prop=True).graph.value_info
    except Exception:  # what is wrong with the node is told when it is computed
        return 0
    counts = [math.prod(x.dim_value for x in one.type.tensor_type.shape.dim) for one in found]
    return max(counts, default=0)


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


def _drop_unread_outputs(model: Any) -> None:
    """The second outputs that nobody reads: indices of a pool, the mask of a dropout."""
    read = {name for node in model.graph.node for name in node.input}
    read |= {x.name for x in model.graph.output}
    for node in model.graph.node:
        if node.op_type not in MORE_OUTPUTS:
            continue
        while len(node.output) > 1 and node.output[-1] not in read:
            del node.output[-1]


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
