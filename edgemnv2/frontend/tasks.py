"""The paper's detector and segmenter by name.

ssdlite-mobilenetv2-<resolution>[-<width>][-int8]
deeplabv3-mobilenetv2-<resolution>[-<width>][-os8][-aspp][-int8]
"""

from __future__ import annotations

import re

from edgemnv2.errors import ModelError
from edgemnv2.frontend.deeplab import OUTPUT_STRIDES, build_deeplab
from edgemnv2.frontend.network import RESOLUTION_RANGE, WIDTH_RANGE
from edgemnv2.frontend.ssdlite import build_ssdlite
from edgemnv2.ops.model import Model

__all__ = ["load_task", "task_names"]

NAME = re.compile(
    r"(?P<task>ssdlite|deeplabv3)-mobilenetv2-(?P<resolution>\d+)(?:-(?P<width>\d+(?:\.\d+)?))?"
    r"(?P<os8>-os8)?(?P<aspp>-aspp)?(?P<int8>-int8)?"
)


def task_names() -> tuple[str, ...]:
    """Those of the paper; other resolutions and widths work alike."""
    heads = [
        f"deeplabv3-mobilenetv2-513{stride}{aspp}"
        for stride in ("", "-os8")
        for aspp in ("", "-aspp")
    ]
    return tuple(
        f"{name}{suffix}"
        for name in ("ssdlite-mobilenetv2-320", *heads)
        for suffix in ("", "-int8")
    )


def load_task(name: str) -> Model | None:
    """The network with that name; None where it is no such name.

    Raises ModelError for a width or a resolution out of range.
    """
    match = NAME.fullmatch(name)
    if match is None or (match["task"] == "ssdlite" and (match["os8"] or match["aspp"])):
        return None
    width, resolution = float(match["width"] or 1), int(match["resolution"])
    for what, value, (low, high) in (
        ("width", width, WIDTH_RANGE),
        ("resolution", resolution, RESOLUTION_RANGE),
    ):
        if not low <= value <= high:
            raise ModelError(
                f"{name}: {what} {value:g} is out of range (must be {low:g} to {high:g})"
            )
    int8 = match["int8"] is not None
    if match["task"] == "ssdlite":
        return build_ssdlite(width, resolution, int8=int8, name=name)
    stride = OUTPUT_STRIDES[0] if match["os8"] else OUTPUT_STRIDES[1]
    aspp = match["aspp"] is not None
    return build_deeplab(width, resolution, output_stride=stride, aspp=aspp, int8=int8, name=name)
