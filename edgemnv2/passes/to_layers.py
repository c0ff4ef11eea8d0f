"""Nodes -> layers: dequantise / float operation / quantise becomes one integer layer.

An operation whose activations all come from dequantise nodes and whose result goes to a quantise
node alone is an integer layer; any other stays in float32, between explicit `Quantize` and
`Dequantize` layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from edgemnv2.arithmetic.fixed_point import make_requantize
from edgemnv2.arithmetic.tflite import (
    ADD_LEFT_SHIFT,
    add_rescale,
    clamp_limits,
    convolution_requantize,
    dense_requantize,
    exp_table,
    has_exact_factors,
    lift,
    mean_requantize,
)
from edgemnv2.errors import ModelError, UnsupportedOperator
from edgemnv2.model import Model, QuantParams
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.dequantize.layer import Dequantize
from edgemnv2.ops.flow import Array, Constant, Flow, Node, consumers, producers
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.passes.drop_identities import same_quantization

__all__ = ["to_layers"]

INTEGER_TYPES = ("int8", "uint8")
COMPUTE = ("conv2d", "depthwise", "add", "pool", "softmax", "clip")
# TFLite accepts a bias whose scale differs from sx * sw by less than this much of an output step.
BIAS_SCALE_TOLERANCE = 0.02


def to_layers(flow: Flow, model: Model) -> Graph:
    """The first `Graph` of the network; layers are still named after their output tensors."""
    return _Builder(flow, model).build()


class _Builder:
    """Decides which nodes are integer layers, then writes the layers in order."""

    def __init__(self, flow: Flow, model: Model) -> None:
        self.flow = flow
        self.model = model
        self.users = consumers(flow)
        self.made_by = producers(flow)
        self.quant = self._quantization()
        self.onnx = model.format == "onnx"
        self.rounding = "even" if self.onnx else "away"
        self.layers: list[Layer] = []
        self.tensors: dict[str, Tensor] = {}
        self.aliases: dict[str, str] = {}
        self.done: set[str] = set()

    # -- what is quantised -----------------------------------------------------------------------

    def _quantization(self) -> dict[str, QuantParams]:
        """Scale and zero point of every integer tensor, from the nodes on either side of it."""
        found: dict[str, QuantParams] = {}
        for node in self.flow.nodes:
            if node.op == "quantize":
                found[node.output] = self._params(node)
            elif node.op == "dequantize":
                found.setdefault(node.tensors[0], self._params(node))
        for node in self.flow.nodes:
            if node.op in ("astype", "pool") and node.tensors[0] in found:
                found.setdefault(node.output, found[node.tensors[0]])
        return found

    def _params(self, node: Node) -> QuantParams:
        scale, zero_point = node.constant(1).values, node.constant(2).values
        if scale.size != 1 or zero_point.size != 1:
            raise UnsupportedOperator(
                f"{self.flow.source}: an activation has one scale per channel; only weights may "
                "(quantise activations per tensor)"
            )
        name = node.output if node.op == "quantize" else node.tensors[0]
        dtype = self.flow.dtypes[name]
        if dtype not in INTEGER_TYPES:
            raise UnsupportedOperator(
                f"{self.flow.source}: an activation is quantised to {dtype} (must be int8 or uint8)"
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

    def _dequantized(self, name: str) -> str | None:
        """The integer tensor that float tensor `name` is made from, or None."""
        node = self.made_by.get(name)
        return node.tensors[0] if node is not None and node.op == "dequantize" else None

    def _quantizer(self, node: Node) -> Node | None:
        """The quantise node that takes the result of `node`, if nothing else does."""
        users = self.users[node.output]
        if not users or node.output in self.flow.outputs:
            return None
        first = users[0]
        if all(
            x.op == "quantize"
            and same_quantization(x, first)
            and x.attrs["dtype"] == first.attrs["dtype"]
            and x.attrs["clamp"] == first.attrs["clamp"]
            for x in users
        ):
            return first
        return None

    def _is_integer(self, node: Node) -> bool:
        """Whether `node` becomes an integer layer."""
        if node.op not in COMPUTE or self._quantizer(node) is None:
            return False
        if node.op in ("conv2d", "depthwise"):
            weight = node.constant(1)
            if weight.scale is None or weight.values.dtype.name not in INTEGER_TYPES:
                return False
        return all(self._dequantized(x) is not None for x in node.tensors)

    # -- writing ---------------------------------------------------------------------------------

    def build(self) -> Graph:
        """All layers, in the order of the nodes."""
        for name in self.flow.inputs:
            self._declare(name)
        for node in self.flow.nodes:
            if node.output in self.done:
                continue
            if self._is_integer(node):
                self._integer(node)
            else:
                getattr(self, f"_float_{node.op}")(node)
        return Graph(
            name=self.model.name,
            tensors=self.tensors,
            layers=tuple(self.layers),
            inputs=self.flow.inputs,
            outputs=tuple(self._resolve(x) for x in self.flow.outputs),
            input_specs=self._specs(self.model.inputs, self.flow.inputs),
            output_specs=self._specs(self.model.outputs, self.flow.outputs),
            source=self.model.source,
            sha256=self.model.sha256,
        )

    def _specs(self, specs: Any, names: tuple[str, ...]) -> Any:
        """The ends as the source file has them, completed by what QDQ nodes say of them."""
        return tuple(
            replace(spec, quant=spec.quant or self.tensors[self._resolve(name)].quant)
            for spec, name in zip(specs, names, strict=True)
        )

    def _resolve(self, name: str) -> str:
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def _declare(
        self, name: str, dtype: str | None = None, quant: QuantParams | None = None
    ) -> str:
        height, width, channels = self.flow.shapes[name]
        quant = quant or self.quant.get(name)
        dtype = dtype or self.flow.dtypes[name]
        self.tensors[name] = Tensor(name, height, width, channels, dtype, quant)
        return name

    def _inputs(self, node: Node) -> tuple[str, ...]:
        return tuple(self._resolve(x) for x in node.tensors)

    # -- integer layers --------------------------------------------------------------------------

    def _integer(self, node: Node) -> None:
        quantizer = self._quantizer(node)
        assert quantizer is not None
        output = quantizer.output
        for user in self.users[node.output]:
            self.done.add(user.output)
            if user is not quantizer:
                self.aliases[user.output] = output
        inputs = tuple(self._resolve(self._dequantized(x) or x) for x in node.tensors)
        self._declare(output)
        y = self.quant[output]
        dtype = self.tensors[output].dtype
        low, high = clamp_limits(node.attrs.get("clamp", (-math.inf, math.inf)), y, dtype)
        bottom, top = quantizer.attrs["clamp"]
        clamp = (min(max(low, bottom), top), min(max(high, bottom), top))
        x = self._quant_of(inputs[0])
        common: Mapping[str, Any] = {"name": output, "inputs": inputs, "output": output}
        if node.op in ("conv2d", "depthwise"):
            self.layers.append(self._integer_convolution(node, common, x, y, clamp))
        elif node.op == "add":
            rescale = add_rescale(x, self._quant_of(inputs[1]), y)
            self.layers.append(
                Add(**common, clamp=clamp, left_shift=ADD_LEFT_SHIFT, rescale=rescale)
            )
        elif node.op == "pool":
            source = self.tensors[inputs[0]]
            factor = mean_requantize(x, y, source.height * source.width)
            self.layers.append(GlobalAveragePool(**common, clamp=clamp, requantize=factor))
        elif node.op == "clip":
            # TFLite's quantised RELU and RELU6 divide the scales in float32, QUANTIZE in double.
            ratio = float(np.float32(x.scale) / np.float32(y.scale))
            factor = make_requantize([ratio])
            self.layers.append(Rescale(**common, requantize=factor, clamp=clamp))
        else:
            self._integer_softmax(common, x, y, clamp)

    def _quant_of(self, name: str) -> QuantParams:
        quant = self.tensors[name].quant
        assert quant is not None
        return quant

    def _integer_convolution(
        self, node: Node, common: Mapping[str, Any], x: QuantParams, y: QuantParams, clamp: Any
    ) -> Layer:
        weight, bias = node.constant(1), node.constant(2)
        assert weight.scale is not None
        if weight.per_axis and weight.axis != weight.values.ndim - 1:
            raise UnsupportedOperator(
                f"{self.flow.source}: weights have one scale per element of axis {weight.axis} "
                "(must be one per output channel)"
            )
        channels = weight.values.shape[-1]
        legacy = weight.values.dtype == np.uint8
        factor = convolution_requantize(x, weight.scale, y, channels, legacy=legacy)
        # ONNX's QuantizeLinear rounds once, and with these factors fixed point can do just that.
        # Linear layers round once then; behind a ReLU the cheaper arithmetic of two roundings
        # will do, with what the first one adds taken off.
        exact = self.onnx and has_exact_factors(x, weight.scale, y)
        linear = exact and clamp[0] < y.zero_point and bool((factor.shift <= -1).all())
        if node.attrs["dense"] or linear:
            factor = dense_requantize(x, weight.scale, y, channels)
        stored = self._integer_bias(bias, x, weight, y)
        if exact:
            stored = stored - lift(factor, clamp, y)
        values = weight.centred()
        narrow = values.min(initial=0) >= -128 and values.max(initial=0) <= 127
        kind = Conv2D if node.op == "conv2d" else DepthwiseConv2D
        return kind(
            **common,
            weight=np.ascontiguousarray(values.astype(np.int8 if narrow else np.int16)),
            bias=stored,
            stride=node.attrs["stride"],
            padding=node.attrs["padding"],
            clamp=clamp,
            requantize=factor,
        )

    def _integer_bias(
        self, bias: Constant, x: QuantParams, weight: Constant, y: QuantParams
    ) -> Array:
        assert weight.scale is not None
        step = np.float64(x.scale) * weight.scale.reshape(-1).astype(np.float64)
        if bias.scale is not None and bias.values.dtype == np.int32:
            stated = bias.scale.reshape(-1).astype(np.float64)
            if np.all(np.abs(stated - step) / y.scale <= BIAS_SCALE_TOLERANCE):
                return np.ascontiguousarray(bias.centred().reshape(-1))
        real = bias.real().reshape(-1).astype(np.float64)
        stored = np.rint(real / step)
        return np.clip(stored, -(2**31), 2**31 - 1).astype(np.int32)

    def _rescale(
        self, common: Mapping[str, Any], x: QuantParams, y: QuantParams, clamp: Any
    ) -> Layer:
        return Rescale(**common, requantize=make_requantize([x.scale / y.scale]), clamp=clamp)

    def _integer_softmax(
        self, common: Mapping[str, Any], x: QuantParams, y: QuantParams, clamp: Any
    ) -> None:
        """TFLite's softmax always gives 1/256 and the lowest zero point; others are rescaled."""
        output = str(common["output"])
        dtype = self.tensors[output].dtype
        limits = np.iinfo(dtype)
        fixed = QuantParams(1.0 / 256.0, int(limits.min))
        table = exp_table(x.scale)
        if y == fixed:
            self.layers.append(Softmax(**common, exp_table=table))
            return
        inner = f"{output}.softmax"
        self.tensors[inner] = replace(self.tensors[output], name=inner, quant=fixed)
        self.layers.append(Softmax(inner, common["inputs"], inner, exp_table=table))
        self.layers.append(self._rescale({**common, "inputs": (inner,)}, fixed, y, clamp))

    # -- float layers and the borders ------------------------------------------------------------

    def _float_convolution(self, node: Node) -> None:
        kind = Conv2D if node.op == "conv2d" else DepthwiseConv2D
        self.layers.append(
            kind(
                name=self._declare(node.output),
                inputs=self._inputs(node),
                output=node.output,
                weight=np.ascontiguousarray(node.constant(1).real()),
                bias=np.ascontiguousarray(node.constant(2).real().reshape(-1)),
                stride=node.attrs["stride"],
                padding=node.attrs["padding"],
                clamp=node.attrs["clamp"],
            )
        )

    _float_conv2d = _float_depthwise = _float_convolution

    def _float_add(self, node: Node) -> None:
        name = self._declare(node.output)
        self.layers.append(Add(name, self._inputs(node), name, clamp=node.attrs["clamp"]))

    def _float_pool(self, node: Node) -> None:
        name = self._declare(node.output)
        clamp = node.attrs["clamp"]
        self.layers.append(GlobalAveragePool(name, self._inputs(node), name, clamp=clamp))

    def _float_softmax(self, node: Node) -> None:
        name = self._declare(node.output)
        self.layers.append(Softmax(name, self._inputs(node), name))

    def _float_clip(self, node: Node) -> None:
        raise UnsupportedOperator(
            f"{self.flow.source}: a Clip must directly follow a convolution, sum or pooling that "
            "nothing else reads"
        )

    def _float_dequantize(self, node: Node) -> None:
        """A layer only where somebody needs the floats."""
        users = self.users[node.output]
        needed = node.output in self.flow.outputs or any(
            not self._is_integer(x) and x.op != "quantize" for x in users
        )
        if needed:
            name = self._declare(node.output)
            self.layers.append(Dequantize(name, self._inputs(node), name))

    def _float_quantize(self, node: Node) -> None:
        y = self._quant_after(node)
        dtype = node.attrs["dtype"]
        low, high = clamp_limits((-math.inf, math.inf), y, dtype)
        bottom, top = node.attrs["clamp"]
        clamp = (max(low, bottom), min(high, top))
        integer = self._dequantized(node.tensors[0])
        common: dict[str, Any] = {"name": node.output, "output": self._declare(node.output)}
        if integer is not None:
            source = self._resolve(integer)
            common["inputs"] = (source,)
            self.layers.append(self._rescale(common, self._quant_of(source), y, clamp))
            return
        if clamp == (low, high):
            self.layers.append(
                Quantize(**common, inputs=self._inputs(node), rounding=self.rounding)
            )
            return
        inner = f"{node.output}.quantize"
        self.tensors[inner] = replace(self.tensors[node.output], name=inner)
        self.layers.append(Quantize(inner, self._inputs(node), inner, rounding=self.rounding))
        self.layers.append(self._rescale({**common, "inputs": (inner,)}, y, y, clamp))

    def _quant_after(self, node: Node) -> QuantParams:
        return self.quant[node.output]

    def _float_astype(self, node: Node) -> None:
        """TFLite's AVERAGE_POOL_2D: a cast to int32, the pooling, a cast back."""
        pool = self.users[node.output]
        cast = self.users[pool[0].output] if len(pool) == 1 else []
        matches = len(cast) == 1 and pool[0].op == "pool" and cast[0].op == "astype"
        if not matches or node.tensors[0] not in self.quant:
            raise UnsupportedOperator(
                f"{self.flow.source}: a Cast of an activation is not supported"
            )
        output = cast[0].output
        source = self._resolve(node.tensors[0])
        quant, dtype = self._quant_of(source), cast[0].attrs["dtype"]
        self._declare(output, dtype, quant)
        low, high = clamp_limits((-math.inf, math.inf), quant, dtype)
        bottom, top = pool[0].attrs["clamp"]
        self.layers.append(
            GlobalAveragePool(output, (source,), output, clamp=(max(low, bottom), min(high, top)))
        )
        self.done.update((pool[0].output, output))
