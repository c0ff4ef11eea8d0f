"""A Relax module -> `Flow`: every operator under one name with plain Python attributes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from edgemnv2.errors import DynamicShape, ModelError, UnsupportedOperator
from edgemnv2.ops.flow import Constant, Flow, Node, alias, constant_output

__all__ = ["read_relax"]

VIEWS = ("reshape", "squeeze", "expand_dims", "flatten")
PLAIN = ("add", "subtract", "multiply", "divide", "matmul", "isnan", "where", "sqrt", "negative")


def read_relax(module: Any, inputs: tuple[str, ...], source: str) -> Flow:
    """The main function of a Relax module as a `Flow`, its parameters named `inputs`.

    Raises UnsupportedOperator for what we do not have.
    """
    return _Reader(module, inputs, source).read()


class _Reader:
    """Walks the one dataflow block and keeps what each Relax variable stands for."""

    def __init__(self, module: Any, inputs: tuple[str, ...], source: str) -> None:
        self.module, self.inputs, self.source = module, inputs, source
        self.nodes: list[Node] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, str] = {}
        self.aliases: dict[str, str] = {}

    def read(self) -> Flow:
        main = self.module["main"]
        names = list(self.inputs)
        self.names: dict[Any, str | Constant] = dict(zip(main.params, names, strict=True))
        for parameter, name in zip(main.params, names, strict=True):
            self._declare(name, parameter)
        for block in main.body.blocks:
            for binding in block.bindings:
                self._bind(binding.var, binding.value)
        outputs = self._outputs(main.body.body)
        flow = Flow(
            tuple(self.nodes),
            self.shapes,
            self.dtypes,
            tuple(names),
            outputs,
            self.source,
        )
        return alias(flow, self.aliases)

    def _outputs(self, body: Any) -> tuple[str, ...]:
        fields = list(body.fields) if hasattr(body, "fields") else [body]
        names = [self._operand(x) for x in fields]
        for index, name in enumerate(names):
            if not isinstance(name, str):
                raise constant_output(self.source, f"output {index} of main")
        return tuple(x for x in names if isinstance(x, str))

    def _declare(self, name: str, variable: Any) -> None:
        shape = variable.ty.shape
        if shape is None or not all(_is_static(x) for x in shape):
            raise DynamicShape(
                f"{self.source}: tensor {name!r} has a dimension that is not a number: "
                "every shape must be known at compile time; export the model with a fixed shape"
            )
        self.shapes[name] = tuple(int(x) for x in shape)
        if min(self.shapes[name], default=1) < 1:
            raise ModelError(
                f"{self.source}: a tensor has shape {list(self.shapes[name])}: no extent may "
                "be below 1; the image is too small for the network"
            )
        self.dtypes[name] = _dtype(variable.ty)

    def _operand(self, expression: Any) -> str | Constant:
        if expression in self.names:
            return self.names[expression]
        array = _array(expression)
        if array is not None:
            return Constant(array)
        raise UnsupportedOperator(
            f"{self.source}: operand {str(expression)[:60]!r} is no tensor and no constant"
        )

    def _bind(self, variable: Any, value: Any) -> None:
        if type(value).__name__ == "TupleGetItem":
            # Batch normalisation gives (normalised, mean, variance); only the first is a tensor.
            if int(value.index) == 0:
                self.names[variable] = self.names[value.tuple_value]
            return
        if not hasattr(value, "op"):
            self.names[variable] = self._operand(value)
            return
        name = f"t{len(self.names)}"
        operator = str(getattr(value.op, "name", value.op))
        operator = operator.removeprefix("relax.").removeprefix("nn.")
        read = READERS.get(operator)
        if read is None:
            raise UnsupportedOperator(
                f"{self.source}: Relax operator {operator!r} is not part of MobileNetV2; "
                "see the table of supported operators"
            )
        op, operands, attrs = read(value)
        self.nodes.append(Node(op, tuple(self._operand(x) for x in operands), name, attrs))
        self.names[variable] = name
        if type(variable.ty).__name__ == "TupleType":
            variable = _First(variable.ty.fields[0])
        self._declare(name, variable)


class _First:
    """Stands for the first field of a tuple variable."""

    def __init__(self, ty: Any) -> None:
        self.ty = ty


Read = Callable[[Any], tuple[str, list[Any], dict[str, Any]]]


def _is_static(extent: Any) -> bool:
    return hasattr(extent, "value") or isinstance(extent, int)


def _dtype(ty: Any) -> str:
    dtype = ty.dtype
    return str(getattr(dtype, "dtype", dtype))


def _array(expression: Any) -> Any:
    value = getattr(expression, "value", None)
    if value is None or not hasattr(value, "numpy"):
        return None
    return value.numpy()


def _number(expression: Any) -> float:
    array = _array(expression)
    if array is not None:
        return float(array)
    value = getattr(expression, "value", expression)
    return float(getattr(value, "value", value))


def _ints(values: Any) -> tuple[int, ...]:
    return tuple(int(x) for x in values)


def _plain(name: str) -> Read:
    return lambda call: (name, list(call.args), {})


def _clip(call: Any) -> tuple[str, list[Any], dict[str, Any]]:
    low, high = _number(call.args[1]), _number(call.args[2])
    return "clip", [call.args[0]], {"clamp": (low, high)}


def _fixed_clip(low: float, high: float) -> Read:
    return lambda call: ("clip", [call.args[0]], {"clamp": (low, high)})


def _conv2d(call: Any) -> tuple[str, list[Any], dict[str, Any]]:
    attrs = call.attrs
    return (
        "conv2d",
        list(call.args),
        {
            "stride": _ints(attrs.strides),
            "padding": _ints(attrs.padding),
            "dilation": _ints(attrs.dilation),
            "groups": int(attrs.groups),
            "data_layout": str(attrs.data_layout),
            "kernel_layout": str(attrs.kernel_layout),
        },
    )


def _batch_norm(call: Any) -> tuple[str, list[Any], dict[str, Any]]:
    attrs = call.attrs
    return (
        "batch_norm",
        list(call.args),
        {
            "axis": int(attrs.axis),
            "epsilon": float(attrs.epsilon),
            "center": bool(attrs.center),
            "scale": bool(attrs.scale),
        },
    )


def _pad(call: Any) -> tuple[str, list[Any], dict[str, Any]]:
    attrs = call.attrs
    width = _ints(attrs.pad_width)
    value = float(getattr(attrs.pad_value, "value", attrs.pad_value))
    mode = str(attrs.pad_mode)
    pairs = tuple(zip(width[::2], width[1::2], strict=True))
    return "pad", [call.args[0]], {"pairs": pairs, "value": value, "mode": mode}


def _view(call: Any) -> tuple[str, list[Any], dict[str, Any]]:
    return "reshape", [call.args[0]], {"shape": tuple(int(x) for x in call.ty.shape)}


def _permute(call: Any) -> tuple[str, list[Any], dict[str, Any]]:
    rank = len(call.args[0].ty.shape)
    axes = call.attrs.axes
    axes = tuple(reversed(range(rank))) if axes is None else tuple(int(x) % rank for x in axes)
    return "permute", [call.args[0]], {"axes": axes}


def _mean(call: Any) -> tuple[str, list[Any], dict[str, Any]]:
    rank = len(call.args[0].ty.shape)
    axes = call.attrs.axis
    axes = range(rank) if axes is None else sorted(int(x) % rank for x in axes)
    return "mean", [call.args[0]], {"axes": tuple(axes)}


def _avg_pool(call: Any) -> tuple[str, list[Any], dict[str, Any]]:
    attrs = call.attrs
    return (
        "avg_pool",
        [call.args[0]],
        {
            "size": _ints(attrs.pool_size),
            "padding": _ints(attrs.padding),
            "layout": str(attrs.layout),
        },
    )


def _softmax(call: Any) -> tuple[str, list[Any], dict[str, Any]]:
    rank = len(call.args[0].ty.shape)
    return "softmax", [call.args[0]], {"axis": int(call.attrs.axis) % rank}


def _quantize(name: str) -> Read:
    def read(call: Any) -> tuple[str, list[Any], dict[str, Any]]:
        rank = len(call.args[0].ty.shape)
        axis = int(call.attrs.axis) % rank if rank else 0
        attrs = {"axis": axis, "dtype": str(call.attrs.out_dtype)}
        return name, list(call.args), attrs

    return read


def _astype(call: Any) -> tuple[str, list[Any], dict[str, Any]]:
    return "astype", [call.args[0]], {"dtype": str(call.attrs.dtype)}


READERS: dict[str, Read] = {
    **{name: _plain(name) for name in PLAIN},
    **dict.fromkeys(VIEWS, _view),
    "astype": _astype,
    "avg_pool2d": _avg_pool,
    "batch_norm": _batch_norm,
    "clip": _clip,
    "conv2d": _conv2d,
    "dequantize": _quantize("dequantize"),
    "mean": _mean,
    "pad": _pad,
    "permute_dims": _permute,
    "quantize": _quantize("quantize"),
    "relu": _fixed_clip(0.0, math.inf),
    "relu6": _fixed_clip(0.0, 6.0),
    "softmax": _softmax,
}
