"""The integer layers that a float layer becomes, by the word of our own front end.

The layer is written as the quantised file will have it, alone between QuantizeLinear and
DequantizeLinear, and read back. So the walk computes what every reader of the file computes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgemnv2.export.qdq_file import StoredNetwork, qdq_file
from edgemnv2.model import TensorSpec
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.reshape.layer import Reshape

__all__ = ["IntegerForm", "integer_form"]

IntegerForm = tuple[tuple[Layer, ...], dict[str, Tensor]]
"""Layers from the float layer's inputs to its output, and the tensors between them."""


def integer_form(graph: Graph, layer: Layer, stored: Sequence[Tensor]) -> IntegerForm | None:
    """`layer` of the float network `graph` in integers; None where it has no such form.

    `stored` are the int8 tensors of its inputs and of its output.
    """
    ends = {tensor.name: tensor for tensor in stored}
    single = _alone(graph, layer)
    clamps = {layer.name: layer.clamp_ends}
    back = _read(qdq_file(StoredNetwork(single, ends, {layer.name: "integer"}, {}, clamps)))
    # By the word of the file read back: what we call its tensors.
    names: dict[str, str] = {}
    inner: list[Layer] = []
    last = ""
    for made in back.layers:
        types = back.tensors[made.inputs[0]].dtype, back.tensors[made.output].dtype
        if types == ("float32", "int8") and made.inputs[0] in back.inputs:
            names[made.output] = single.inputs[back.inputs.index(made.inputs[0])]
        elif types == ("int8", "float32") and made.output in back.outputs:
            last = made.inputs[0]
        else:
            inner.append(made)
    if not inner or any(back.tensors[x.output].dtype != "int8" for x in inner):
        return None
    # The same elements may lie as another map.
    alike = back.tensors[last].shape == graph.tensor_out(layer).shape
    for made in inner:
        names[made.output] = f"{layer.name}/{made.output}"
    if alike:
        names[last] = layer.output
    renamed: list[Layer] = []
    for made in inner:
        output = names[made.output]
        name = layer.name if output == layer.output else output
        inputs = tuple(names[x] for x in made.inputs)
        renamed.append(replace(made, name=name, inputs=inputs, output=output))
    if not alike:
        renamed.append(Reshape(layer.name, (names[last],), layer.output))
    between = {
        names[made.output]: replace(back.tensors[made.output], name=names[made.output])
        for made in inner
        if names[made.output] != layer.output
    }
    return tuple(renamed), between


def _alone(graph: Graph, layer: Layer) -> Graph:
    """A network of one layer, its ends NHWC: a file whose first operator says so."""
    inputs = tuple(dict.fromkeys(layer.inputs))
    used = {name: graph.tensors[name] for name in (*inputs, layer.output)}
    return Graph(
        "layer",
        used,
        (layer,),
        inputs,
        (layer.output,),
        tuple(_spec(used[name], f"input{index}") for index, name in enumerate(inputs)),
        (_spec(used[layer.output], "output"),),
    )


def _spec(tensor: Tensor, name: str) -> TensorSpec:
    return TensorSpec(name, (1, *tensor.shape), "float32", "NHWC")


def _read(onnx: bytes) -> Graph:
    from edgemnv2.frontend import load_model
    from edgemnv2.passes import lower

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.onnx"
        path.write_bytes(onnx)
        return lower(load_model(path))
