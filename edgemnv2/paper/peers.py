"""The networks that the paper's tables 3 and 4 compare with: MobileNetV1 and ShuffleNet.

Written down from their own papers: MobileNetV1 (arXiv 1704.04861, table 1), ShuffleNet (arXiv
1707.01083, table 1). Both for 224x224x3 and 1000 classes.
"""

from __future__ import annotations

from edgemnv2.paper.operators import Operator

__all__ = ["SHUFFLENET_CHANNELS", "mobilenet_v1", "shufflenet"]

_V1_STAGES = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)
"""Output channels and stride of MobileNetV1's thirteen depthwise-separable layers."""

SHUFFLENET_CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
"""Output channels of ShuffleNet's first stage by number of groups, for width 1x."""

_SHUFFLENET_UNITS = (4, 8, 4)
_SHUFFLENET_STEM = 24


def mobilenet_v1(size: int = 224, classes: int = 1000) -> list[Operator]:
    """MobileNetV1 1.0."""
    layers = [Operator("stem", "conv", size, 3, 32, 3, 2)]
    for index, (channels, stride) in enumerate(_V1_STAGES, 1):
        before = layers[-1]
        size, inputs = before.size_out, before.channels_out
        layers.append(
            Operator(f"layer{index}.depthwise", "depthwise", size, inputs, inputs, 3, stride)
        )
        layers.append(
            Operator(f"layer{index}.pointwise", "conv", layers[-1].size_out, inputs, channels)
        )
    last = layers[-1]
    layers.append(
        Operator("pool", "pool", last.size_out, last.channels_out, last.channels_out, last.size_out)
    )
    layers.append(Operator("classifier", "conv", 1, last.channels_out, classes, norm=False))
    return layers


def shufflenet(
    width: float = 2, groups: int = 3, size: int = 224, classes: int = 1000
) -> list[Operator]:
    """ShuffleNet (v1) of `width`, with `groups` in its pointwise convolutions.

    A unit narrows to a quarter of its output channels. A unit with stride 2 joins the pooled input
    to its branch, so the branch makes only the channels that are missing. The very first pointwise
    convolution is not grouped.
    """
    stem = int(_SHUFFLENET_STEM * width)
    layers = [
        Operator("stem", "conv", size, 3, stem, 3, 2),
        Operator("maxpool", "pool", size // 2, stem, stem, 3, 2),
    ]
    size, inputs = size // 4, stem
    for stage, units in enumerate(_SHUFFLENET_UNITS):
        outputs = int(SHUFFLENET_CHANNELS[groups] * width) * 2**stage
        for unit in range(units):
            name = f"stage{stage + 2}.unit{unit + 1}"
            stride = 2 if unit == 0 else 1
            narrow = outputs // 4
            first = 1 if (stage, unit) == (0, 0) else groups
            branch = outputs - inputs if stride == 2 else outputs
            half = size // stride
            layers += [
                Operator(f"{name}.reduce", "conv", size, inputs, narrow, groups=first, inner=True),
                Operator(
                    f"{name}.depthwise", "depthwise", size, narrow, narrow, 3, stride, inner=True
                ),
                Operator(
                    f"{name}.restore", "conv", half, narrow, branch, groups=groups, inner=True
                ),
                Operator(f"{name}.join", "concat", half, outputs, outputs),
            ]
            size, inputs = half, outputs
    layers.append(Operator("pool", "pool", size, inputs, inputs, size))
    layers.append(Operator("classifier", "conv", 1, inputs, classes, norm=False))
    return layers
