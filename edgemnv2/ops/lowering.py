"""Where layers are written: what the nodes of a flow become, one after the other.

An operation whose activations all come from dequantise nodes and whose result goes to a quantise
node alone is an integer layer; any other works on what is stored: floats, or integers that it moves
or compares without looking at their scale. Each operator's `lower.py` says what its layers are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from edgemnv2.arithmetic import onnx, tflite
from edgemnv2.errors import ModelError, UnsupportedOperator
from edgemnv2.model import QuantParams, SourceFormat
from edgemnv2.ops.flow import Flow, Node, consumers, producers, same_quantization
from edgemnv2.ops.graph import Layer, Tensor
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.ops.table import lowering_of

__all__ = ["INTEGER_TYPES", "UNBOUNDED", "Lowering", "Site", "reads_stored"]

INTEGER_TYPES = ("int8", "uint8")
UNBOUNDED = (-math.inf, math.inf)
Clamp = tuple[float, float]


@dataclass(frozen=True)
class Site:
    """The place of one integer layer: its ends, how they are quantised, and its clamp (stored)."""

    name: str
    inputs: tuple[str, ...]
    x: tuple[QuantParams, ...]
    y: QuantParams
    dtype: str
    clamp: Clamp
    of_floats: bool = False
    """Whether the file computes in floats here."""

    @property
    def common(self) -> dict[str, Any]:
        """The fields that every layer has."""
        return {"name": self.name, "inputs": self.inputs, "output": self.name}


class Lowering:
    """Tensors and layers under construction; knows which nodes are integer layers."""

    def __init__(self, flow: Flow, format_: SourceFormat) -> None:
        self.flow = flow
        self.format = format_
        self.arithmetic: Any = onnx if format_ == "onnx" else tflite
        """The module of `arithmetic` whose constants the format's integer layers have."""
        self.layers: list[Layer] = []
        self.tensors: dict[str, Tensor] = {}
        self.aliases: dict[str, str] = {}
        self.done: set[str] = set()
        self.users = consumers(flow)
        self.made_by = producers(flow)
        self.quant = self._quantization()

    # -- what is quantised -----------------------------------------------------------------------

    def _quantization(self) -> dict[str, QuantParams]:
        """Scale and zero point of integer tensors: the file's own, or the nodes' beside them."""
        found: dict[str, QuantParams] = {}
        for node in self.flow.nodes:
            if node.op == "quantize":
                found[node.output] = self.params(node)
            elif node.op == "dequantize":
                quant = found.setdefault(node.tensors[0], self.params(node))
                if quant != self.params(node):
                    raise self.refuse(
                        node,
                        f"integers {node.tensors[0]!r} of scale {quant.scale:g} and zero point "
                        f"{quant.zero_point} are read with scale {self.params(node).scale:g} and "
                        f"zero point {self.params(node).zero_point} (must be the same); quantise "
                        "the model again",
                    )
        for name, quant in self.flow.quants.items():
            found.setdefault(name, quant)
        # What moves integers leaves their scale as it is: forwards, then back to inputs.
        for nodes in (self.flow.nodes, self.flow.nodes[::-1]):
            for node in nodes:
                if node.op in ("quantize", "dequantize"):
                    continue
                names = [
                    name
                    for name in (*node.tensors, *node.outputs)
                    if self.flow.dtypes.get(name) in INTEGER_TYPES
                ]
                known = next((found[name] for name in names if name in found), None)
                if known is not None:
                    for name in names:
                        found.setdefault(name, known)
        return found

    def params(self, node: Node) -> QuantParams:
        """The parameters of a quantise or dequantise node."""
        scale, zero_point = node.constant(1).values, node.constant(2).values
        if scale.size != 1 or zero_point.size != 1:
            raise self.refuse(
                node,
                "an activation has one scale per channel (only weights may); quantise activations "
                "per tensor",
            )
        name = node.output if node.op == "quantize" else node.tensors[0]
        dtype = self.flow.dtypes[name]
        if dtype not in INTEGER_TYPES:
            raise self.refuse(
                node,
                f"an activation is quantised to {dtype} (must be int8 or uint8); quantise to 8 "
                "bits",
            )
        quant = QuantParams(float(scale.reshape(())), int(zero_point.reshape(())))
        limits = np.iinfo(dtype)
        good = math.isfinite(quant.scale) and quant.scale > 0
        if not good or not limits.min <= quant.zero_point <= limits.max:
            raise ModelError(
                f"{self.flow.source}: an activation has scale {quant.scale:g} and zero point "
                f"{quant.zero_point} (must be above 0, and a value of {dtype}); quantise the model "
                "again"
            )
        return quant

    def quant_of(self, name: str) -> QuantParams:
        """The parameters of an integer tensor that has been declared."""
        quant = self.tensors[name].quant
        if quant is None:
            raise UnsupportedOperator(
                f"{self.flow.source}: tensor {name!r} holds integers without a scale "
                "(quantise the model again)"
            )
        return quant

    def dequantized(self, name: str) -> str | None:
        """The integer tensor that float tensor `name` is made from, or None."""
        node = self.made_by.get(name)
        return node.tensors[0] if node is not None and node.op == "dequantize" else None

    def quantizer(self, node: Node) -> Node | None:
        """The quantise node that takes the result of `node`, if nothing else does."""
        users = self.users[node.output]
        if not users or node.more_outputs or node.output in self.flow.outputs:
            return None
        first = users[0]
        alike = all(
            x.op == "quantize"
            and same_quantization(x, first)
            and x.attrs["dtype"] == first.attrs["dtype"]
            and x.attrs["clamp"] == first.attrs["clamp"]
            for x in users
        )
        return first if alike else None

    def site(self, node: Node) -> Site | None:
        """The place of the integer layer that `node` is between its dequantise and quantise nodes.

        None where it is none. The quantise nodes are done with then.
        """
        quantizer = self.quantizer(node)
        sources = [self.dequantized(name) for name in node.tensors]
        if quantizer is None or not sources or None in sources:
            return None
        name = quantizer.output
        for user in self.users[node.output]:
            self.done.add(user.output)
            if user is not quantizer:
                self.aliases[user.output] = name
        inputs = tuple(self.resolve(str(x)) for x in sources)
        self.declare(name)
        y, dtype = self.quant[name], self.tensors[name].dtype
        low, high = self.arithmetic.clamp_limits(node.attrs.get("clamp", UNBOUNDED), y, dtype)
        bottom, top = quantizer.attrs["clamp"]
        clamp = (min(max(low, bottom), top), min(max(high, bottom), top))
        x = tuple(self.quant_of(source) for source in inputs)
        self.expect_finer(node, y, "its input", max(each.scale for each in x))
        return Site(name, inputs, x, y, dtype, clamp, self.computes_floats(node))

    def expect_finer(self, node: Node, y: QuantParams, what: str, scale: float) -> None:
        """UnsupportedOperator where an ONNX output's scale is far finer than what it is made of.

        `scale` is of `what` makes it: an input, or the products that are added up.
        """
        if self.format == "onnx" and scale >= onnx.LARGEST_RATIO * y.scale:
            raise self.refuse(
                node,
                f"its output has scale {y.scale:g} and {what} {scale:g} (at most "
                f"{onnx.LARGEST_RATIO} times as coarse: damaged?); quantise the model again",
            )

    def feeds_integers(self, node: Node) -> bool:
        """Whether `site` would give a place."""
        return self.quantizer(node) is not None and all(
            self.dequantized(name) is not None for name in node.tensors
        )

    def computes_floats(self, node: Node) -> bool:
        """Whether the file computes `node` in floats, between operators that convert.

        A table of all values does the same to the bit; arithmetic of integers would not.
        """
        quantizer = node if node.op == "quantize" else self.quantizer(node)
        return quantizer is not None and bool(quantizer.attrs.get("of_floats"))

    def is_needed(self, node: Node) -> bool:
        """Whether somebody reads the floats of a dequantise node as floats."""
        if node.output in self.flow.outputs:
            return True
        return any(
            not self.is_integer(user) and not reads_stored(user) for user in self.users[node.output]
        )

    def is_integer(self, node: Node) -> bool:
        """Whether `node` becomes an integer layer."""
        if node.op == "quantize":
            return True
        module = lowering_of(node.op)
        if module is None or not hasattr(module, "integer") or not self.feeds_integers(node):
            return False
        if self.format not in getattr(module, "INTEGER_FORMATS", (self.format,)):
            return False
        if self.computes_floats(node) and not getattr(module, "TABLES", False):
            return False
        scaled = hasattr(module, "keeps_scale") and module.keeps_scale(node)
        if scaled and not self._has_one_scale(node):
            return False
        return not hasattr(module, "is_integer") or bool(module.is_integer(node))

    def _has_one_scale(self, node: Node) -> bool:
        """Whether `node` gives what it reads the same scale and type, and nothing is clamped."""
        quantizer = self.quantizer(node)
        assert quantizer is not None
        dtype = self.flow.dtypes[quantizer.output]
        limits = np.iinfo(dtype)
        bottom, top = quantizer.attrs["clamp"]
        sources = [self.resolve(str(self.dequantized(name))) for name in node.tensors]
        return (bottom <= limits.min and top >= limits.max) and all(
            self.quant_of(x) == self.quant[quantizer.output] and self.tensors[x].dtype == dtype
            for x in sources
        )

    # -- writing ---------------------------------------------------------------------------------

    def resolve(self, name: str) -> str:
        """The tensor that stands for `name`."""
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def declare(self, name: str, dtype: str | None = None, quant: QuantParams | None = None) -> str:
        """A tensor of the graph, its shape the flow's."""
        height, width, channels = self.flow.shapes[name]
        quant = quant or self.quant.get(name)
        dtype = dtype or self.flow.dtypes[name]
        if dtype not in INTEGER_TYPES:
            quant = None
        self.tensors[name] = Tensor(name, height, width, channels, dtype, quant)
        return name

    def inputs(self, node: Node) -> tuple[str, ...]:
        """The activations of `node`, as tensors of the graph."""
        return tuple(self.resolve(name) for name in node.tensors)

    def common(self, node: Node) -> dict[str, Any]:
        """The fields that every layer has, for the layer that `node` is; declares its output."""
        name = self.declare(node.output)
        return {"name": name, "inputs": self.inputs(node), "output": name}

    def stored_clamp(self, node: Node) -> Clamp:
        """The clamp of a node on stored values: of floats as it is, of integers their type's."""
        clamp: Clamp = node.attrs.get("clamp", UNBOUNDED)
        dtype = self.flow.dtypes[node.output]
        if dtype not in INTEGER_TYPES:
            return clamp
        limits = np.iinfo(dtype)
        return max(clamp[0], float(limits.min)), min(clamp[1], float(limits.max))

    def add(self, layer: Layer) -> None:
        """The next layer."""
        self.layers.append(layer)

    def add_keeping(self, layer: Layer, site: Site) -> None:
        """`layer`, which keeps what is stored, and a rescale behind it where `site` wants another.

        Extremes of stored values are those of the real ones.
        """
        source = self.tensors[site.inputs[0]]
        clamps = any(item.name == "clamp" for item in fields(layer))
        limits = np.iinfo(source.dtype)
        everything = float(limits.min), float(limits.max)
        same = (site.x[0], source.dtype) == (site.y, site.dtype)
        if same and (clamps or site.clamp == everything):
            self.add(layer)
            return
        inner = f"{site.name}.kept"
        made = replace(self.tensors[site.name], name=inner, dtype=source.dtype, quant=source.quant)
        self.tensors[inner] = made
        changes: dict[str, Any] = {"clamp": everything} if clamps else {}
        self.add(replace(layer, name=inner, output=inner, **changes))
        factor = self.arithmetic.rescale_requantize(site.x[0], site.y)
        self.add(Rescale(site.name, (inner,), site.name, requantize=factor, clamp=site.clamp))

    def refuse(self, node: Node, why: str) -> UnsupportedOperator:
        """What to raise where `node` cannot be done."""
        return UnsupportedOperator(f"{self.flow.source}: {node.place or node.op}: {why}")


def reads_stored(node: Node) -> bool:
    """Whether the layer of `node` reads what is stored where the file dequantises in front."""
    return bool(getattr(lowering_of(node.op), "READS_STORED", False))
