"""Import rule of ONNX: detections, as files that `edgemnv2 quantize` writes have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.ops.detection_postprocess.layer import FIELDS, OPTIONS
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]

AGAIN = "quantise the detector again"


def detection_postprocess(node: SourceNode, flow: FlowBuilder) -> None:
    """Of the domain `edgemnv2`: what TFLite_Detection_PostProcess becomes."""
    anchors = np.asarray(node.value(2, "anchors"), np.float32)
    options: dict[str, Any] = {name: node.get(name) for name in OPTIONS}
    missing = [name for name, value in options.items() if value is None]
    if missing:
        raise Refusal(f"no attribute {missing[0]!r}", AGAIN, "All options are there")
    if anchors.ndim != 2 or anchors.shape[1] != len(options["scales"]):
        raise Refusal(f"anchors {list(anchors.shape)}", AGAIN, "Anchors are [N, 4]")
    options["scales"] = tuple(float(x) for x in options["scales"])
    options["per_class"] = bool(options["per_class"])
    count = options["detections"] * options["classes_per_detection"]
    name = flow.declare(node.output)
    if node.output.shape != (1, count, FIELDS):
        raise Refusal(f"an output {list(node.output.shape)} of {count} detections", AGAIN)
    operands = [flow.stored(node.input(0)), flow.stored(node.input(1))]
    flow.add("detection_postprocess", operands, name, {**options, "anchors": anchors})


RULES: dict[str, Rule] = {"DetectionPostprocess": detection_postprocess}
