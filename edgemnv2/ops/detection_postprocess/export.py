"""Detections in ONNX files: an operator of our own, which no other engine runs.

ONNX's NonMaxSuppression knows neither anchors nor the order in which TFLite tells detections.
"""

from __future__ import annotations

from dataclasses import fields
from math import prod

from edgemnv2.ops.detection_postprocess.layer import OPTIONS, DetectionPostprocess
from edgemnv2.ops.export import OnnxWriter, from_rows, reshaped, rows_of

__all__ = ["onnx"]

DOMAIN = "edgemnv2"


def onnx(layer: DetectionPostprocess, to: OnnxWriter) -> str:
    """`DetectionPostprocess` of the domain `edgemnv2`; its attributes are the layer's fields."""
    operands = []
    for index, name in enumerate(layer.inputs):
        tensor = to.graph.tensors[name]
        rows = rows_of(to, to.real(name), tensor, f"{layer.name}.rows{index}")
        shape = (1, layer.boxes, prod(tensor.shape) // layer.boxes)
        operands.append(reshaped(to, rows, shape, f"{layer.name}.operand{index}"))
    operands.append(to.constant(f"{layer.name}.anchors", layer.anchors))
    given = {item.name: getattr(layer, item.name) for item in fields(layer)}
    options = {name: given[name] for name in OPTIONS}
    made = f"{layer.name}.detections"
    to.node("DetectionPostprocess", operands, made, domain=DOMAIN, **options)
    out = to.graph.tensor_out(layer)
    to.tell_shape(made, out.shape)
    return from_rows(to, made, out, layer)
