"""The paper's detectors and segmenters as lists of operators (its section 6).

SSD's further maps and anchors are those of the published detectors: 512, 256, 256 and 128 channels
behind narrow pointwise convolutions, 3 boxes a pixel on the first map, 6 on the others. DeepLabv3's
head is that of arXiv 1706.05587 with 256 channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgemnv2.paper.operators import Operator
from edgemnv2.paper.peers import mobilenet_v1
from edgemnv2.paper.v2 import mobilenet_v2

__all__ = ["BACKBONES", "deeplab", "detector", "ssd"]

FURTHER = (512, 256, 256, 128)
FIRST_BOXES, BOXES, COORDINATES = 3, 6, 4
HEAD = 256
ASPP_RATES = (6, 12, 18)
WIDEST_STRIDE = 16
"""Output stride for which the rates are; at 8 they double."""

BACKBONES: dict[str, tuple[Callable[..., list[Operator]], str, str]] = {
    # network: its operators, the first map that SSD reads, the last of DeepLab's.
    "MobileNetV1": (mobilenet_v1, "layer11.pointwise", "layer13.pointwise"),
    "MobileNetV2": (mobilenet_v2, "block14.expand", "block17.project"),
}


def ssd(first: Operator, last: Operator, classes: int = 80, lite: bool = True) -> list[Operator]:
    """Further maps and heads on two maps of a backbone; `lite`: their 3x3 ones are separable."""
    layers: list[Operator] = []
    maps = [first, last]
    for number, channels in enumerate(FURTHER, 1):
        size, inputs, narrow = maps[-1].size_out, maps[-1].channels_out, channels // 2
        layers.append(Operator(f"further{number}.reduce", "conv", size, inputs, narrow))
        made = _three(f"further{number}", size, narrow, channels, lite, stride=2)
        layers += made
        maps.append(made[-1])
    for number, x in enumerate(maps, 1):
        boxes = FIRST_BOXES if number == 1 else BOXES
        for what, each in (("boxes", COORDINATES), ("scores", classes + 1)):
            made = _three(f"{what}{number}", x.size_out, x.channels_out, boxes * each, lite)
            layers += [*made[:-1], replace(made[-1], norm=False)]
    return layers


def _three(
    name: str, size: int, inputs: int, channels: int, lite: bool, stride: int = 1
) -> list[Operator]:
    """A 3x3 convolution, or its depthwise and pointwise parts."""
    if not lite:
        return [Operator(name, "conv", size, inputs, channels, 3, stride)]
    depthwise = Operator(f"{name}.depthwise", "depthwise", size, inputs, inputs, 3, stride)
    return [depthwise, Operator(name, "conv", depthwise.size_out, inputs, channels)]


def _without_classifier(operators: Sequence[Operator]) -> list[Operator]:
    return [x for x in operators if x.name not in ("pool", "classifier")]


def detector(network: str, size: int = 320, classes: int = 80, lite: bool = True) -> list[Operator]:
    """SSD or SSDLite on a backbone: the first head at stride 16, the others on the last map."""
    build, first, _ = BACKBONES[network]
    layers = _without_classifier(build(size=size))
    tap = next(x for x in layers if x.name == first)
    return [*layers, *ssd(tap, layers[-1], classes, lite)]


def deeplab(
    network: str, output_stride: int, aspp: bool, size: int = 513, classes: int = 21
) -> list[Operator]:
    """DeepLabv3 on a backbone whose strides beyond `output_stride` are dilations."""
    build, _, last = BACKBONES[network]
    operators = build(size=size)
    layers: list[Operator] = []
    stride = rate = 1
    for operator in operators[: [x.name for x in operators].index(last) + 1]:
        now, dilation = operator.stride, rate if operator.kind == "depthwise" else 1
        if now > 1 and stride == output_stride:
            rate, now = rate * now, 1
        stride *= now
        size_in = layers[-1].size_out if layers else size
        layers.append(replace(operator, size=size_in, stride=now, dilation=dilation))
    side, inputs = layers[-1].size_out, layers[-1].channels_out
    branches = [Operator("head.pointwise", "conv", side, inputs, HEAD)]
    if aspp:
        rates = [rate * WIDEST_STRIDE // output_stride for rate in ASPP_RATES]
        branches += [
            Operator(f"head.rate{x}", "conv", side, inputs, HEAD, 3, dilation=x) for x in rates
        ]
    pooled = Operator("head.pooled", "conv", 1, inputs, HEAD)
    joined = HEAD * (len(branches) + 1)
    return [
        *layers,
        *branches,
        pooled,
        Operator("head.project", "conv", side, joined, HEAD),
        Operator("head.classifier", "conv", side, HEAD, classes, norm=False),
    ]
