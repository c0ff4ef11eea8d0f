"""An ONNX network under construction, as the layers of a Keras file are written into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from edgemnv2.errors import UnsupportedOperator

__all__ = ["TO_NCHW", "TO_NHWC", "OnnxNet"]

OPSET = 18
TO_NCHW, TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]


class OnnxNet:
    """Nodes, inputs and constants of the network under construction."""

    def __init__(self, source: str, generation: int = 3) -> None:
        self.source = source
        self.generation = generation
        """Of Keras: 2 or 3."""
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.constants: list[Any] = []
        self.ranks: dict[str, int] = {}
        self._layer = ""
        self._count = 0

    @contextmanager
    def layer(self, name: str) -> Iterator[None]:
        """What is added inside belongs to the layer `name`."""
        self._layer = name
        yield

    def refuse(self, fact: str, remedy: str) -> UnsupportedOperator:
        """What to raise where the current layer cannot be done."""
        return UnsupportedOperator(f"{self.source}: layer {self._layer!r}: {fact}; {remedy}")

    def input(self, name: str, shape: Sequence[int | None], dtype: str) -> str:
        """An input of the network; symbols stay symbols."""
        import onnx

        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        dims = [x or ("batch" if i == 0 else f"dim{i}") for i, x in enumerate(shape)]
        self.inputs.append(onnx.helper.make_tensor_value_info(name, kind, dims))
        self.ranks[name] = len(dims)
        if np.dtype(dtype).kind in "iu":
            # Every layer computes in floats, whatever the image is made of.
            with self.layer(name):
                return self.add("Cast", [name], to=onnx.TensorProto.FLOAT)
        return name

    def constant(self, value: Any) -> str:
        """A constant tensor."""
        import onnx

        self._count += 1
        name = f"{self._layer}.constant{self._count}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, op: str, inputs: Sequence[str], rank: int | None = None, **attrs: Any) -> str:
        """A node of the current layer; its output, of `rank` (else that of the first operand)."""
        import onnx

        self._count += 1
        name = f"{self._layer}.{self._count}"
        node = onnx.helper.make_node(op, list(inputs), [name], name=self._layer, **attrs)
        self.nodes.append(node)
        self.ranks[name] = self.ranks.get(inputs[0], 4) if rank is None else rank
        return name

    def several(
        self, op: str, inputs: Sequence[str], ranks: Sequence[int], **attrs: Any
    ) -> list[str]:
        """A node of several outputs, one for each of `ranks`."""
        import onnx

        first = self._count + 1
        self._count += len(ranks)
        names = [f"{self._layer}.{first + i}" for i in range(len(ranks))]
        node = onnx.helper.make_node(op, list(inputs), names, name=self._layer, **attrs)
        self.nodes.append(node)
        self.ranks.update(zip(names, ranks, strict=True))
        return names

    def operand(self, value: Any) -> str:
        """A tensor by name, or numbers as a constant."""
        return value if isinstance(value, str) else self.constant(np.asarray(value, np.float32))

    def shape(self, name: str) -> list[int]:
        """The shape of a tensor; where it is not known yet, the layer is refused."""
        import onnx

        here = next((x for x in self.inputs if x.name == name), None)
        if here is None:
            here = onnx.ValueInfoProto(name=name)
            graph = onnx.helper.make_graph(self.nodes, "part", self.inputs, [here], self.constants)
            sets = [onnx.helper.make_opsetid("", OPSET)]
            model = onnx.helper.make_model(graph, opset_imports=sets, ir_version=8)
            (here,) = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output
        # Networks are for one image, which a batch without a number becomes.
        dims = here.type.tensor_type.shape.dim
        extents = [int(x.dim_value) or int(i == 0) for i, x in enumerate(dims)]
        if len(extents) != self.ranks[name] or min(extents, default=1) < 1:
            raise self.refuse(
                "its input's size is not in the file", "build the model with a fixed input size"
            )
        return extents

    def proto(self, outputs: Sequence[str]) -> Any:
        """The finished model; its outputs have the names of the layers that make them."""
        import onnx

        ends = []
        names: dict[str, str] = {}
        for name in outputs:
            layer = next((n.name for n in self.nodes if name in n.output), name)
            final = (
                layer if layer not in {*names.values(), *(x.name for x in self.inputs)} else name
            )
            names[name] = final
            ends.append(onnx.ValueInfoProto(name=final))
        nodes = list(self.nodes)
        for name, final in names.items():
            if name != final:
                nodes.append(onnx.helper.make_node("Identity", [name], [final], name=final))
        graph = onnx.helper.make_graph(nodes, "keras", self.inputs, [], self.constants)
        for end in ends:
            end.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
            graph.output.append(end)
        opset = [onnx.helper.make_opsetid("", OPSET)]
        return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
