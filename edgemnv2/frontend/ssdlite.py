"""SSDLite on MobileNetV2, as the paper's section 6.2 has it, with seeded weights.

The first head reads the expansion of layer 15 (output stride 16), the others the last layer (32)
and four further maps, each half as large. All convolutions of heads and further maps are separable.
Sizes of the further maps and anchors per pixel are those of the published detector
(ssdlite_mobilenet_v2_coco).
"""

from __future__ import annotations

from edgemnv2.frontend.architecture import architecture, make_divisible
from edgemnv2.frontend.seeded_net import SeededNet, Value, backbone
from edgemnv2.ops.model import Model

__all__ = ["CLASSES", "build_ssdlite"]

CLASSES = 80
"""Of COCO; the scores begin with that of the background."""
COORDINATES = 4
FIRST_ANCHORS, ANCHORS = 3, 6
"""Per pixel of the first map, and of the others."""
FURTHER_CHANNELS = (512, 256, 256, 128)
FIRST_TAP = "block14.expand"
"""Layer 15 counts the stem."""


def build_ssdlite(
    width: float = 1.0,
    resolution: int = 320,
    classes: int = CLASSES,
    *,
    seed: int = 0,
    int8: bool = False,
    name: str | None = None,
) -> Model:
    """The detector; input NHWC in [-1, 1].

    Outputs: `boxes` `[1, N, 4]`, encodings against N anchors, and `scores` `[1, N, classes + 1]`,
    probabilities. Boxes come map by map, row by row, pixel by pixel.
    """
    ends = f"{resolution}{f'-{width:g}' if width != 1 else ''}{'-int8' if int8 else ''}"
    net = SeededNet(name or f"ssdlite-mobilenetv2-{ends}", resolution, int8=int8, seed=seed)
    network = architecture(width, resolution)
    values = backbone(net, network)
    last = net.convolution("head", values[f"block{len(network.blocks)}"], network.head_channels)
    maps = [values[FIRST_TAP], last]
    for number, channels in enumerate(FURTHER_CHANNELS, start=1):
        outer = make_divisible(channels * width)
        x = net.convolution(f"further{number}.reduce", maps[-1], make_divisible(outer / 2))
        x = net.depthwise(f"further{number}.depthwise", x, stride=2)
        maps.append(net.convolution(f"further{number}", x, outer))
    boxes, scores = [], []
    for number, x in enumerate(maps, start=1):
        anchors = FIRST_ANCHORS if number == 1 else ANCHORS
        boxes.append(_head(net, f"boxes{number}", x, anchors, COORDINATES))
        scores.append(_head(net, f"scores{number}", x, anchors, classes + 1, logistic=True))
    return net.model(
        net.concatenated("boxes", boxes, axis=1), net.concatenated("scores", scores, axis=1)
    )


def _head(
    net: SeededNet, name: str, x: Value, anchors: int, each: int, logistic: bool = False
) -> Value:
    """`[1, size * size * anchors, each]` of one map."""
    size = x.size
    x = net.depthwise(f"{name}.depthwise", x)
    x = net.classifier(f"{name}.raw", x, anchors * each)
    if logistic:
        x = net.logistic(f"{name}.logistic", x)
    return net.reshaped(f"{name}.flat", x, (1, size * size * anchors, each))
