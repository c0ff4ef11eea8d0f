"""Which layout a model's own inputs and outputs have, told by the operators beside them."""

from __future__ import annotations

from typing import Any

__all__ = ["input_layout", "output_layout"]

THROUGH = {"add", "subtract", "multiply", "divide", "clip", "quantize", "dequantize", "pad", "relu"}
TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


def input_layout(main: Any, parameter: Any) -> str:
    """ "NHWC" or "NCHW" of a parameter of the Relax function `main`."""
    waiting = [parameter]
    calls = _calls(main)
    for variable, call in calls:
        if not any(_same(argument, x) for argument in call.args for x in waiting):
            continue
        name = _name(call)
        if name == "permute_dims":
            axes = tuple(int(x) for x in call.attrs.axes)
            return "NCHW" if axes == TO_NHWC else "NHWC"
        layout = getattr(call.attrs, "data_layout", None) or getattr(call.attrs, "layout", None)
        if layout is not None:
            return str(layout)
        if name in THROUGH:
            waiting.append(variable)
    return "NHWC"


def output_layout(main: Any, output: Any) -> str:
    """ "NC" for two dimensions, else the layout that the operators in front of `output` give it."""
    if len(output.ty.shape) == 2:
        return "NC"
    current = output
    for variable, call in reversed(_calls(main)):
        if not _same(variable, current):
            continue
        name = _name(call)
        if name == "permute_dims":
            axes = tuple(int(x) for x in call.attrs.axes)
            return "NHWC" if axes == TO_NHWC else "NCHW"
        layout = getattr(call.attrs, "data_layout", None) or getattr(call.attrs, "layout", None)
        if layout is not None:
            return str(layout)
        current = call.args[0]
    return "NHWC"


def _calls(main: Any) -> list[tuple[Any, Any]]:
    bindings = [x for block in main.body.blocks for x in block.bindings]
    return [(x.var, x.value) for x in bindings if hasattr(x.value, "op")]


def _name(call: Any) -> str:
    name = getattr(call.op, "name", str(call.op))
    return str(name).removeprefix("relax.").removeprefix("nn.")


def _same(a: Any, b: Any) -> bool:
    return bool(a.same_as(b)) if hasattr(a, "same_as") else a is b
