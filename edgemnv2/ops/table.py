"""Every operator once: the folder that it lives in, and the layers that it makes.

Whoever has a layer asks here for what belongs to its operator; nobody else tells layers apart by
type. A part is a module of the operator's folder, imported when it is asked for: references run
without TVM.

    layer.py      the layer: what is computed, from which constants
    reference.py  NumPy, float and integer; knows no kernel
    kernel.py     plain row kernels in TIR, which run everywhere
    check.py      what must hold of such a layer in a graph
    lower.py      nodes of the flow -> layers
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from edgemnv2.ops.graph import Layer

__all__ = ["OPERATORS", "PARTS", "layer_type", "operator_of", "part"]

OPERATORS: dict[str, tuple[str, ...]] = {
    "add": ("Add",),
    "convolution": ("Conv2D", "DepthwiseConv2D"),
    "dequantize": ("Dequantize",),
    "pool": ("GlobalAveragePool",),
    "quantize": ("Quantize",),
    "rescale": ("Rescale",),
    "softmax": ("Softmax",),
}
PARTS = ("layer", "reference", "kernel", "check", "lower")

_OPERATOR_OF = {layer: name for name, layers in OPERATORS.items() for layer in layers}


def operator_of(layer: Layer) -> str:
    """The operator (folder) that `layer` belongs to."""
    return _OPERATOR_OF[type(layer).__name__]


@cache
def part(operator: str, name: str) -> Any:
    """The module `name` of an operator's folder; None where it has none."""
    module = f"edgemnv2.ops.{operator}.{name}"
    return import_module(module) if find_spec(module) else None


def layer_type(name: str) -> type[Layer]:
    """The class of a layer by its name; KeyError for an unknown one."""
    found: type[Layer] = getattr(part(_OPERATOR_OF[name], "layer"), name)
    return found
