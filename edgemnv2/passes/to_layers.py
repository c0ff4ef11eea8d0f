"""Nodes -> layers: dequantise / float operation / quantise becomes one integer layer.

An operation whose activations all come from dequantise nodes and whose result goes to a quantise
node alone is an integer layer, if its operator has an integer form; any other works on what is
stored, between explicit `Quantize` and `Dequantize` layers. What the layers are is in the
operators' `lower.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.ops.flow import Flow, Node
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.lowering import INTEGER_TYPES, Lowering, reads_stored
from edgemnv2.ops.model import Model
from edgemnv2.ops.table import lowering_of

__all__ = ["to_layers"]

MAKES_FLOATS = ("cast", "dequantize", "where")
MAKES_INTEGERS = ("cast", "quantize")
"""Operators that make floats of integers of 8 bits (of a condition), and those of floats."""


def _check_floats(node: Node, to: Lowering) -> None:
    """What floats make is no integer of 8 bits, but where that is the operator's purpose."""
    dtypes = to.flow.dtypes
    of_floats = node.tensors and all(dtypes.get(x) == "float32" for x in node.tensors)
    if of_floats and dtypes.get(node.output) in INTEGER_TYPES and node.op not in MAKES_INTEGERS:
        raise to.refuse(
            node,
            f"makes {node.output!r} of type {dtypes[node.output]} from floats, and nothing says at "
            "which scale; quantise the model again",
        )
    of_integers = node.tensors and all(dtypes.get(x) in INTEGER_TYPES for x in node.tensors)
    may = node.op in MAKES_FLOATS or reads_stored(node)
    if of_integers and dtypes.get(node.output) == "float32" and not may:
        raise to.refuse(
            node,
            f"makes floats of {node.tensors[0]!r}, {dtypes[node.tensors[0]]}, and nothing says at "
            "which scale; quantise the model again",
        )


def to_layers(flow: Flow, model: Model) -> Graph:
    """The first `Graph` of the network; layers are still named after their output tensors."""
    to = Lowering(flow, model.format)
    for name in flow.inputs:
        to.declare(name)
        tensor = to.tensors[name]
        if tensor.dtype in INTEGER_TYPES and tensor.quant is None:
            raise UnsupportedOperator(
                f"{flow.source}: input {name!r} holds integers without a scale (nothing says which "
                "real numbers they stand for); quantise the model again, or give it float input"
            )
    refused: list[str] = []
    for node in flow.nodes:
        if node.output in to.done:
            continue
        module = lowering_of(node.op)
        try:
            if node.op != "quantize" and to.is_integer(node):
                site = to.site(node)
                assert site is not None
                module.integer(node, site, to)
            else:
                _check_floats(node, to)
                module.lower(node, to)
        except UnsupportedOperator as refusal:
            # All are told at once: what follows finds its output.
            refused.append(str(refusal))
            for name in node.outputs:
                to.declare(name)
    if refused:
        raise UnsupportedOperator("\n".join(refused))

    def specs(of: Any, names: tuple[str, ...]) -> Any:
        """The ends as the source file has them, completed by what QDQ nodes say of them."""
        return tuple(
            replace(spec, quant=spec.quant or to.tensors[to.resolve(name)].quant)
            for spec, name in zip(of, names, strict=True)
        )

    return Graph(
        name=model.name,
        tensors=to.tensors,
        layers=tuple(to.layers),
        inputs=flow.inputs,
        outputs=tuple(to.resolve(x) for x in flow.outputs),
        input_specs=specs(model.inputs, flow.inputs),
        output_specs=specs(model.outputs, flow.outputs),
        source=model.source,
        sha256=model.sha256,
        origins={x: origin for x, origin in flow.origins.items() if x in to.tensors},
        orders={x: order for x, order in flow.orders.items() if x in to.tensors},
        format=model.format,
        notes=flow.notes,
    )
