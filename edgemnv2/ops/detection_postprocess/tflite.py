"""Import rule of TFLite: the custom operator that makes detections.

Source of options and defaults: LiteRT `tflite/kernels/detection_postprocess.cc`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.detection_postprocess.layer import BOX, CLASS, COUNT, FIELDS, SCORE
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode, SourceTensor

__all__ = ["RULES"]

Array = NDArray[Any]
DETECTIONS_PER_CLASS = 100
"""Where the file does not say it."""
SCALES = ("y_scale", "x_scale", "h_scale", "w_scale")
AGAIN = "export the detector again"


def detection_postprocess(node: SourceNode, flow: FlowBuilder) -> None:
    """Box encodings and class scores are float32 or uint8 [1, N, ...], anchors constant.

    Integers of eight bits that a DEQUANTIZE makes floats of are read as they are.
    """
    boxes, scores, anchors = node.input(0), node.input(1), _anchors(node)
    options = _options(node)
    if len(node.outputs) != len(("boxes", "classes", "scores", "count")):
        raise Refusal(f"{len(node.outputs)} outputs", AGAIN, "There are four outputs")
    _check_shapes(boxes, scores, anchors, options["classes"])
    count = options["detections"] * options["classes_per_detection"]
    like = replace(node.output, name=f"{node.output.name}.detections", scale=None)
    found = flow.fresh(like, shape=(1, count, FIELDS))
    operands = [flow.stored(boxes), flow.stored(scores)]
    flow.add("detection_postprocess", operands, found, {**options, "anchors": anchors})
    one, every = (0,), tuple(range(count))
    # In the order of the operator's outputs: their shapes, and what of each detection they hold.
    parts = (
        ((1, count, 4), every, BOX),
        ((1, count), every, (CLASS,)),
        ((1, count), every, (SCORE,)),
        ((1,), one, (COUNT,)),
    )
    for output, (shape, places, fields) in zip(node.outputs, parts, strict=True):
        name = flow.declare(output)
        # Files leave these shapes open.
        flow.shapes[name], flow.dtypes[name] = shape, "float32"
        part = (1, len(places), len(fields))
        taken = name if part == shape else flow.fresh(like, shape=part)
        flow.add("select", [found], taken, {"indices": (one, places, fields)})
        if taken != name:
            flow.add("reshape", [taken], name, {"shape": shape})


def _options(node: SourceNode) -> dict[str, Any]:
    """The options by the names of the layer's fields; those left out are 0, as LiteRT has them."""
    from flatbuffers import flexbuffers

    table = flexbuffers.GetRoot(bytearray(node.get("custom_options", b""))).AsMap
    given = {key.AsKey: value for key, value in zip(table.Keys, table.Values, strict=True)}

    def number(name: str, default: int = 0) -> int:
        return int(given[name].AsInt) if name in given else default

    def real(name: str) -> float:
        return float(np.float32(given[name].AsFloat)) if name in given else 0.0

    options: dict[str, Any] = {
        "scales": tuple(real(name) for name in SCALES),
        "classes": number("num_classes"),
        "detections": number("max_detections"),
        "classes_per_detection": number("max_classes_per_detection"),
        "detections_per_class": number("detections_per_class", DETECTIONS_PER_CLASS),
        "score_threshold": real("nms_score_threshold"),
        "iou_threshold": real("nms_iou_threshold"),
        "per_class": bool(number("use_regular_nms")),
    }
    for field in ("classes", "detections", "classes_per_detection", "detections_per_class"):
        if options[field] < 1:
            raise Refusal(f"{field} {options[field]}", AGAIN, "Counts are above 0")
    if not all(np.isfinite(x) and x > 0 for x in options["scales"]):
        raise Refusal(f"scales {options['scales']}", AGAIN, "Scales are above 0")
    if not 0.0 < options["iou_threshold"] <= 1.0:
        raise Refusal(
            f"nms_iou_threshold {options['iou_threshold']:g}", AGAIN, "It is above 0, 1 at most"
        )
    if not np.isfinite(options["score_threshold"]):
        raise Refusal(
            f"nms_score_threshold {options['score_threshold']:g}", AGAIN, "It is a number"
        )
    return options


def _anchors(node: SourceNode) -> Array:
    """float32 `[N, 4]`, of the type that LiteRT reads beside the box encodings."""
    for tensor in (node.input(0), node.input(1)):
        if tensor.dtype not in ("float32", "uint8"):
            raise Refusal(
                f"{tensor.dtype} operand {tensor.name!r}",
                "put a DEQUANTIZE in front of it: LiteRT's kernel fails on int8 itself",
            )
        if tensor.dtype != "float32" and tensor.quant is None:
            raise Refusal(f"integers {tensor.name!r} without a scale", "quantise the model again")
    tensor = node.input(2)
    values = node.value(2, "anchors")
    wanted = node.input(0).dtype
    if tensor.dtype != wanted:
        raise Refusal(
            f"anchors of {tensor.dtype} beside boxes of {wanted}", AGAIN, "Their types are one"
        )
    real = values.astype(np.float32)
    if tensor.dtype != "float32":
        quant = tensor.quant
        if quant is None:
            raise Refusal("anchors without a scale", "quantise the model again")
        real = (real - np.float32(quant.zero_point)) * np.float32(quant.scale)
    if real.ndim != 2 or real.shape[-1] != len(SCALES):
        raise Refusal(f"anchors {list(real.shape)}", AGAIN, "Anchors are [N, 4]")
    if not np.isfinite(real).all() or (real[:, 2:] < 0).any():
        raise Refusal(
            "anchors of less than no size", AGAIN, "Heights and widths of anchors are 0 or more"
        )
    return np.asarray(real, np.float32)


def _check_shapes(boxes: SourceTensor, scores: SourceTensor, anchors: Array, classes: int) -> None:
    count = len(anchors)
    for tensor in (boxes, scores):
        if len(tensor.shape) != 3 or tensor.shape[:2] != (1, count):
            raise Refusal(
                f"operand {tensor.name!r} of {list(tensor.shape)} and {count} anchors",
                AGAIN,
                "Operands are [1, N, ...] for N anchors",
            )
    if boxes.shape[2] < len(SCALES):
        raise Refusal(f"{boxes.shape[2]} numbers a box", AGAIN, "A box has four numbers or more")
    if scores.shape[2] - classes not in (0, 1):
        raise Refusal(
            f"{scores.shape[2]} scores a box for num_classes {classes}",
            AGAIN,
            "There is a score for each class, and one for the background or none",
        )


RULES: dict[str, Rule] = {"CUSTOM TFLite_Detection_PostProcess": detection_postprocess}
