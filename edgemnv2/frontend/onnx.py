"""ONNX -> `Model`: the file's own nodes, operator by operator."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgemnv2.errors import ModelError
from edgemnv2.frontend.damage import reading
from edgemnv2.frontend.ends import InputShapes, check_output
from edgemnv2.frontend.layout import input_layout
from edgemnv2.frontend.onnx_expand import expand
from edgemnv2.frontend.onnx_inline import inline_composed, inline_functions
from edgemnv2.frontend.onnx_prepare import inferred, prepare
from edgemnv2.frontend.onnx_recurrent import unroll
from edgemnv2.frontend.supported import build_flow
from edgemnv2.model import TensorSpec, layout_of
from edgemnv2.ops.model import Model
from edgemnv2.ops.source import SourceNode, SourceTensor

__all__ = ["external_files", "load_onnx", "model_from_proto", "source_sha256"]


def load_onnx(path: Path, input_shapes: InputShapes | None = None) -> Model:
    """The network of an .onnx file; ModelError if it is none, or not one that we can compile.

    `input_shapes` fix what is symbolic in the shapes of inputs.
    """
    data = path.read_bytes()
    model = model_from_proto(_parse(data, path), path.name, len(data), input_shapes)
    return replace(model, name=path.stem, sha256=source_sha256(path))


def model_from_proto(
    proto: Any,
    file: str,
    size_bytes: int | None = None,
    input_shapes: InputShapes | None = None,
) -> Model:
    """The network of a parsed ONNX model, called after its `file`."""
    with reading(file, size_bytes):
        expanded, notes = expand(inline_composed(inline_functions(proto, file), file), file)
        fixed, more = prepare(expanded, file, input_shapes)
        unroll(fixed, file)
        nodes, tensors = _source_nodes(fixed, file)
    initializers = {x.name for x in fixed.graph.initializer}
    inputs = [tensors[x.name] for x in fixed.graph.input if x.name not in initializers]
    outputs = [tensors[x.name] for x in fixed.graph.output]
    for output in outputs:
        check_output(output.name, output.dtype, file)
    flow = build_flow(nodes, inputs, outputs, file, "onnx")
    flow = replace(flow, notes=(*flow.notes, *notes, *more))
    return Model(
        file,
        flow,
        tuple(_spec(x, input_layout(flow, x.name)) for x in inputs),
        tuple(_spec(x, "NCHW") for x in outputs),
        file,
        "",
        "onnx",
    )


def external_files(path: Path) -> list[Path]:
    """The files of weights beside an .onnx file that it refers to, relative to its folder."""
    return _locations(_parsed(path.read_bytes(), path))


def source_sha256(path: Path) -> str:
    """Of an .onnx file, and of the files of weights that belong to it behind it."""
    found = hashlib.sha256(path.read_bytes())
    for name in external_files(path):
        found.update((path.parent / name).read_bytes())
    return found.hexdigest()


def _locations(proto: Any) -> list[Path]:
    """Where the values of a model's tensors lie outside of its file, sorted."""
    import onnx

    tensors = [*proto.graph.initializer]
    for node in proto.graph.node:
        tensors += [x.t for x in node.attribute if x.type == onnx.AttributeProto.TENSOR]
    found = {
        Path(entry.value)
        for tensor in tensors
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return sorted(found)


def _parse(data: bytes, path: Path) -> Any:
    """The model with its weights, wherever they lie."""
    proto = _parsed(data, path)
    _load_external(proto, path)
    return proto


def _parsed(data: bytes, path: Path) -> Any:
    """What the file alone says."""
    import onnx

    try:
        proto = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf and onnx raise different ones for the same damage
        raise ModelError(
            f"{path.name}: not an ONNX model, or a truncated one ({len(data)} bytes): protobuf "
            f"cannot read it; download or export it again ({type(error).__name__})"
        ) from error
    graph = proto.graph
    ends = [x.name for x in (*graph.input, *graph.output, *graph.initializer)]
    names = (*ends, *(x for node in graph.node for x in (*node.input, *node.output)))
    if not all(isinstance(name, str) for name in names):
        raise ModelError(
            f"{path.name}: damaged: a tensor's name is no UTF-8 text; download or export it again"
        )
    if not proto.graph.node or not proto.graph.output:
        raise ModelError(
            f"{path.name}: no network in it ({len(data)} bytes, no nodes): not an ONNX model, or "
            "a truncated one; download or export it again"
        )
    return proto


def _load_external(proto: Any, path: Path) -> None:
    """Read the weights that lie in other files beside `path`."""
    import onnx

    for name in _locations(proto):
        if not (path.parent / name).is_file():
            raise ModelError(
                f"{path.name}: its weights lie in another file, {str(name)!r}, which is missing "
                f"(must be beside {path.name}); copy both, or export the model as one file"
            )
    try:
        onnx.external_data_helper.load_external_data_for_model(proto, str(path.parent))
    except Exception as error:  # onnx raises different ones for the same damage
        listed = ", ".join(repr(str(name)) for name in _locations(proto))
        raise ModelError(
            f"{path.name}: the file of its weights, {listed}, cannot be read: damaged, truncated, "
            f"or outside of the model's folder ({type(error).__name__}); copy or export it again"
        ) from error


def _source_nodes(model: Any, file: str) -> tuple[list[SourceNode], dict[str, SourceTensor]]:
    """The nodes of a prepared model, and its tensors by name."""
    import onnx

    shapes, dtypes = inferred(model, file)
    arrays = {x.name: x for x in model.graph.initializer}
    tensors: dict[str, SourceTensor] = {}

    def tensor(name: str) -> SourceTensor:
        if name not in tensors:
            value = onnx.numpy_helper.to_array(arrays[name]) if name in arrays else None
            shape = shapes.get(name, ()) if value is None else value.shape
            dtype = dtypes.get(name, "float32") if value is None else str(value.dtype)
            if dtype == "float16":
                # Computed in float32, which holds every float16.
                dtype, value = "float32", None if value is None else value.astype("float32")
            made = SourceTensor(name, tuple(shape), dtype, value)
            truths = dtype == "bool"
            tensors[name] = SourceTensor.of_truths(name, made.shape, value) if truths else made
        return tensors[name]

    nodes = []
    opset = {x.domain or "ai.onnx": x.version for x in model.opset_import}
    for value in (*model.graph.input, *model.graph.output):
        tensor(value.name)
    for index, proto in enumerate(model.graph.node):
        place = f"node {proto.name!r}" if proto.name else f"node {index} (to {proto.output[0]!r})"
        attrs = {x.name: _attribute(x) for x in proto.attribute}
        attrs["opset"] = opset.get(proto.domain or "ai.onnx", 1)
        nodes.append(
            SourceNode(
                str(proto.op_type),
                place,
                tuple(tensor(x) if x else None for x in proto.input),
                tuple(tensor(x) for x in proto.output if x),
                attrs,
            )
        )
    return nodes, tensors


def _attribute(attribute: Any) -> Any:
    import onnx

    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    return value


def _spec(tensor: SourceTensor, layout: str) -> TensorSpec:
    return TensorSpec(tensor.name, tensor.shape, tensor.dtype, layout_of(tensor.shape, layout))
