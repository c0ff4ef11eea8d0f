"""The form that the passes rewrite: a flat list of nodes between the import and the `Graph`.

Every pass maps one `Flow` to another and never changes its argument. Constants sit in the nodes
that use them, so that folding is NumPy (TVM's FoldConstant takes seconds); a dequantised constant
stays a quantised one: integer values, scale, zero point.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import ModelError
from edgemnv2.model import Note, QuantParams

__all__ = [
    "Constant",
    "Flow",
    "Node",
    "alias",
    "constant_output",
    "consumers",
    "producers",
    "same_quantization",
]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant operand; quantised where `scale` is set: `scale * (values - zero_point)`.

    `scale` is a float32 scalar array, or a vector along `axis` of `values`; `zero_point` likewise.
    """

    values: Array
    scale: Array | None = None
    zero_point: Array | None = None
    axis: int = 0

    @property
    def per_axis(self) -> bool:
        """Whether `scale` is a vector along `axis`."""
        return self.scale is not None and self.scale.size > 1

    def along_axis(self, vector: Array) -> Array:
        """A scale or zero point in a shape that broadcasts against `values`."""
        if vector.size == 1:
            return vector.reshape(())
        shape = [1] * self.values.ndim
        shape[self.axis] = vector.size
        return vector.reshape(shape)

    def centred(self) -> Array:
        """Integer values with the zero point taken off, int32."""
        values = self.values.astype(np.int32)
        if self.zero_point is None:
            return values
        centred: Array = values - self.along_axis(self.zero_point.astype(np.int32))
        return centred

    def real(self) -> Array:
        """The values as real numbers, float32."""
        if self.scale is None:
            return self.values
        real: Array = self.along_axis(self.scale) * self.centred().astype(np.float32)
        return real.astype(np.float32)

    def decoded(self) -> Constant:
        """The real numbers, which need no scale any more."""
        return self if self.scale is None else Constant(self.real())

    def reshape(self, shape: tuple[int, ...]) -> Constant:
        """The constant in another shape; its real numbers where that splits the axis of scales."""
        values = self.values.reshape(shape)
        if not self.per_axis:
            return replace(self, values=values, axis=0)
        before = int(np.prod(self.values.shape[: self.axis], dtype=np.int64))
        size = self.values.shape[self.axis]
        for axis, extent in enumerate(values.shape):
            if extent == size and int(np.prod(values.shape[:axis], dtype=np.int64)) == before:
                return replace(self, values=values, axis=axis)
        return Constant(self.real().reshape(shape))

    def take(self, indices: list[int], axis: int) -> Constant:
        """The constant at some indices of one axis."""
        values = np.take(self.values, indices, axis)
        if not self.per_axis or axis != self.axis:
            return replace(self, values=values)
        assert self.scale is not None
        zero = None if self.zero_point is None else np.take(self.zero_point, indices)
        return replace(self, values=values, scale=np.take(self.scale, indices), zero_point=zero)

    def transpose(self, axes: tuple[int, ...]) -> Constant:
        """The constant with its axes permuted."""
        axis = axes.index(self.axis) if self.per_axis else 0
        return replace(self, values=self.values.transpose(axes), axis=axis)


@dataclass(frozen=True, eq=False)
class Node:
    """One operation; `inputs` are tensor names or constants."""

    op: str
    inputs: tuple[str | Constant, ...]
    output: str
    attrs: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""
    """Where in the source file, for messages: "node 'Conv_12'"."""
    more_outputs: tuple[str, ...] = ()
    """Of the rare operator that makes several tensors."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """All tensors that it makes."""
        return (self.output, *self.more_outputs)

    @property
    def tensors(self) -> tuple[str, ...]:
        """The inputs that are activations."""
        return tuple(x for x in self.inputs if isinstance(x, str))

    def constant(self, index: int) -> Constant:
        """Input `index`, which must be a constant."""
        value = self.inputs[index]
        if not isinstance(value, Constant):
            raise TypeError(f"{self.op}: input {index} is not a constant")
        return value

    def with_attrs(self, **attrs: Any) -> Node:
        """The node with some attributes replaced."""
        return replace(self, attrs={**self.attrs, **attrs})

    def with_input(self, index: int, value: str | Constant) -> Node:
        """The node with one input replaced."""
        inputs = (*self.inputs[:index], value, *self.inputs[index + 1 :])
        return replace(self, inputs=inputs)


@dataclass(frozen=True, eq=False)
class Flow:
    """Nodes in topological order; `shapes` and `dtypes` of every tensor.

    Shapes are the source's own until `to_nhwc`, `(height, width, channels)` after it.
    """

    nodes: tuple[Node, ...]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source: str
    quants: Mapping[str, QuantParams] = field(default_factory=dict)
    """Of integer tensors, where the file says it of the tensor itself."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Tensor -> the tensor of the file that it is, where there is one."""
    notes: tuple[Note, ...] = ()
    """What is computed otherwise than the file's framework does."""
    orders: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Tensor -> the order of the file's axes in memory, as `Graph.orders`."""

    def with_nodes(self, nodes: Iterable[Node]) -> Flow:
        """The flow with other nodes."""
        return replace(self, nodes=tuple(nodes))


def producers(flow: Flow) -> dict[str, Node]:
    """The node that makes each tensor."""
    return {name: node for node in flow.nodes for name in node.outputs}


def consumers(flow: Flow) -> dict[str, list[Node]]:
    """The nodes that read each tensor; a graph output has none for being one."""
    found: dict[str, list[Node]] = {name: [] for name in flow.shapes}
    for node in flow.nodes:
        for name in dict.fromkeys(node.tensors):
            found.setdefault(name, []).append(node)
    return found


def alias(flow: Flow, names: Mapping[str, str]) -> Flow:
    """Drop the nodes that make `names`' keys and read the values instead (chains allowed)."""

    def resolve(name: str) -> str:
        while name in names:
            name = names[name]
        return name

    nodes = [
        replace(node, inputs=tuple(resolve(x) if isinstance(x, str) else x for x in node.inputs))
        for node in flow.nodes
        if node.output not in names
    ]
    return replace(flow, nodes=tuple(nodes), outputs=tuple(resolve(x) for x in flow.outputs))


def constant_output(source: str, output: str) -> ModelError:
    """What is said of a network one of whose outputs no input reaches; `output` names it."""
    return ModelError(
        f"{source}: {output} is a constant (must depend on an input); export the model without it"
    )


def same_quantization(a: Node, b: Node) -> bool:
    """Whether two (de)quantise nodes have equal scale and zero point."""
    return all(np.array_equal(a.constant(i).values, b.constant(i).values) for i in (1, 2))
