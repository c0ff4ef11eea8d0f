"""Every operator once: the folder that it lives in, and the layers that it makes.

Whoever has a layer asks here for what belongs to its operator; nobody else tells layers apart by
type. A part is a module of the operator's folder, imported when it is asked for: references run
without TVM.

    layer.py      the layer: what is computed, from which constants
    reference.py  NumPy, float and integer; knows no kernel
    kernel.py     plain row kernels in TIR, which run everywhere
    rows.py       which rows it reads and writes; without one it is elementwise
    check.py      what must hold of such a layer in a graph
    tflite.py     import rules of TFLite: nodes of a file -> nodes of the flow
    onnx.py       the same for ONNX
    lower.py      nodes of the flow -> views, and layers
    export.py     the layer in files of other engines, where they are written
    exact.py      floats, the same bits on every machine, where the reference does not give them
    quantised.py  the integer layer that post-training quantisation makes of a float one
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from edgemnv2.model import SourceFormat
from edgemnv2.ops.graph import Layer
from edgemnv2.ops.source import Rule

__all__ = ["OPERATORS", "layer_type", "lowering_of", "operator_of", "part", "rules_of"]

OPERATORS: dict[str, tuple[str, ...]] = {
    "abs": ("Abs",),
    "add": ("Add",),
    "arg_max": ("ArgMax",),
    "binary": ("Binary",),
    "cast": ("Cast",),
    "clamp": ("Clamp",),
    "concat": ("Concat",),
    "convolution": ("Conv2D", "DepthwiseConv2D", "TransposedConv2D"),
    "copy": ("Copy",),
    "dequantize": ("Dequantize",),
    "detection_postprocess": ("DetectionPostprocess",),
    "elu": ("Elu",),
    "erf": ("Erf",),
    "exp": ("Exp",),
    "gelu": ("Gelu",),
    "hard_sigmoid": ("HardSigmoid",),
    "hard_swish": ("HardSwish",),
    "l2_norm": ("L2Norm",),
    "leaky_relu": ("LeakyRelu",),
    "log": ("Log",),
    "log_softmax": ("LogSoftmax",),
    "lookup": ("Lookup",),
    "matrix_product": ("MatrixProduct",),
    "negate": ("Negate",),
    "pad": ("Pad",),
    "pool": ("GlobalAveragePool",),
    "prelu": ("Prelu",),
    "quantize": ("Quantize",),
    "reduce": ("Reduce",),
    "rescale": ("Rescale",),
    "reshape": ("Reshape",),
    "resize": ("Resize",),
    "rounding": ("Rounding",),
    "rsqrt": ("Rsqrt",),
    "select": ("Select",),
    "sigmoid": ("Sigmoid",),
    "sign": ("Sign",),
    "softmax": ("Softmax",),
    "softplus": ("Softplus",),
    "sqrt": ("Sqrt",),
    "square": ("Square",),
    "tanh": ("Tanh",),
    "top_k": ("TopK",),
    "transpose": ("Transpose",),
    "trigonometric": ("Trigonometric",),
    "where": ("Where",),
    "window_pool": ("AveragePool", "MaxPool"),
}
PARTS = (
    "layer",
    "reference",
    "kernel",
    "rows",
    "check",
    "lower",
    "tflite",
    "onnx",
    "export",
    "exact",
    "quantised",
)

_OPERATOR_OF = {layer: name for name, layers in OPERATORS.items() for layer in layers}


def operator_of(layer: Layer) -> str:
    """The operator (folder) that `layer` belongs to."""
    return _OPERATOR_OF[type(layer).__name__]


@cache
def part(operator: str, name: str) -> Any:
    """The module `name` of an operator's folder; None where it has none."""
    if name not in PARTS:
        raise KeyError(name)
    module = f"edgemnv2.ops.{operator}.{name}"
    return import_module(module) if find_spec(module) else None


def layer_type(name: str) -> type[Layer]:
    """The class of a layer by its name; KeyError for an unknown one."""
    found: type[Layer] = getattr(part(_OPERATOR_OF[name], "layer"), name)
    return found


@cache
def _lowerings() -> dict[str, Any]:
    modules = [part(name, "lower") for name in OPERATORS]
    return {node: module for module in modules if module for node in module.NODES}


def lowering_of(node_op: str) -> Any:
    """The module `lower` of the operator that a node of the flow belongs to; None: of none."""
    return _lowerings().get(node_op)


@cache
def rules_of(format_: SourceFormat) -> dict[str, Rule]:
    """Import rules by the name that the format gives an operator, sorted."""
    modules = [part(name, format_) for name in OPERATORS]
    found = {name: rule for module in modules if module for name, rule in module.RULES.items()}
    return dict(sorted(found.items()))
