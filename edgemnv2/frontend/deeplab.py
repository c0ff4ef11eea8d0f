"""Mobile DeepLabv3 on MobileNetV2, as the paper's section 6.3 has it, with seeded weights.

The heads read the last but one feature map (320 channels). Strides beyond the output stride become
dilations. Without ASPP there is a pointwise branch and one of the map's mean; with it three dilated
3x3 convolutions come between them (arXiv 1706.05587).
"""

from __future__ import annotations

from edgemnv2.errors import ModelError
from edgemnv2.frontend.architecture import KERNEL, architecture
from edgemnv2.frontend.seeded_net import SeededNet, backbone
from edgemnv2.ops.model import Model

__all__ = ["CLASSES", "OUTPUT_STRIDES", "build_deeplab"]

CLASSES = 21
"""Of PASCAL VOC 2012, background included."""
OUTPUT_STRIDES = (8, 16)
HEAD_CHANNELS = 256
ASPP_RATES = (6, 12, 18)
"""At output stride 16; twice that at 8."""


def build_deeplab(
    width: float = 1.0,
    resolution: int = 513,
    classes: int = CLASSES,
    *,
    output_stride: int = 16,
    aspp: bool = False,
    seed: int = 0,
    int8: bool = False,
    name: str | None = None,
) -> Model:
    """The segmenter; input NHWC in [-1, 1], output `classes` int32 `[1, resolution, resolution]`.

    Raises ModelError for another output stride than 8 and 16.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise ModelError(f"output_stride={output_stride} (must be 8 or 16)")
    parts = [f"deeplabv3-mobilenetv2-{resolution}"]
    parts += [f"{width:g}"] if width != 1 else []
    parts += [f"os{output_stride}"] if output_stride != OUTPUT_STRIDES[-1] else []
    parts += ["aspp"] if aspp else []
    parts += ["int8"] if int8 else []
    net = SeededNet(name or "-".join(parts), resolution, int8=int8, seed=seed)
    network = architecture(width, resolution)
    features = backbone(net, network, output_stride)[f"block{len(network.blocks)}"]
    branches = [net.convolution("head.pointwise", features, HEAD_CHANNELS)]
    if aspp:
        for rate in ASPP_RATES:
            dilation = rate * OUTPUT_STRIDES[-1] // output_stride
            branches.append(
                net.convolution(
                    f"head.rate{dilation}",
                    features,
                    HEAD_CHANNELS,
                    kernel=KERNEL,
                    dilation=dilation,
                )
            )
    pooled = net.convolution("head.pooled", net.mean("head.mean", features), HEAD_CHANNELS)
    branches.insert(0, net.resized("head.spread", pooled, features.size))
    x = net.concatenated("head.joined", branches, axis=3)
    x = net.convolution("head.project", x, HEAD_CHANNELS)
    x = net.classifier("head.classifier", x, classes)
    return net.model(net.arg_max("classes", net.resized("upsampled", x, resolution)))
