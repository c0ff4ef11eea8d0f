"""Sums of two activations of one shape: from the source's terms to layers."""

from __future__ import annotations

from edgemnv2.arithmetic import onnx
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.arithmetic.tflite import ADD_LEFT_SHIFT, add_rescale
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.binary import lower as binary
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.views import Views

__all__ = ["CLAMPS", "NODES", "arrange", "integer", "is_integer", "lower"]

NODES = ("add",)
"""What `binary` leaves: sums of two activations of one shape."""
CLAMPS = True


def arrange(node: Node, views: Views) -> None:
    """As `binary` does: sums that broadcast, or have a constant, are its own."""
    binary.arrange(node, views)


def is_integer(node: Node) -> bool:
    """Whether `integer` can say it."""
    return _is_plain(node) or binary.is_integer(node)


def _is_plain(node: Node) -> bool:
    return all(isinstance(operand, str) for operand in node.inputs)


def lower(node: Node, to: Lowering) -> None:
    """The sum of floats."""
    if not _is_plain(node):
        binary.lower(node, to)
        return
    to.add(Add(**to.common(node), clamp=node.attrs["clamp"]))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """TFLite's ADD, or ONNX's real sum."""
    if not _is_plain(node):
        binary.integer(node, site, to)
        return
    # An addition of a tensor with itself names it once among the node's tensors or twice.
    a, b = site.x if len(site.x) == 2 else site.x * 2
    inputs = site.inputs if len(site.inputs) == 2 else site.inputs * 2
    if to.format == "onnx":
        dtypes = to.tensors[inputs[0]].dtype, to.tensors[inputs[1]].dtype
        rescale: tuple[Requantize, ...] = onnx.add_rescale(a, b, site.y, dtypes)
        left_shift = 0
    else:
        rescale, left_shift = add_rescale(a, b, site.y), ADD_LEFT_SHIFT
    to.add(
        Add(
            site.name,
            inputs,
            site.name,
            clamp=site.clamp,
            left_shift=left_shift,
            rescale=rescale,
        )
    )
