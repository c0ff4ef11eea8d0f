"""MobileNetV2 as a list of operators, from the front end's definition of the architecture."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.frontend.architecture import HEAD_CHANNELS, architecture, make_divisible
from edgemnv2.paper.operators import Operator

__all__ = ["mobilenet_v2"]


def mobilenet_v2(
    width: float = 1, size: int = 224, classes: int = 1000, narrow_head: bool = False
) -> list[Operator]:
    """MobileNetV2 of any width and input size.

    `narrow_head`: the last convolution shrinks with a width below 1, too, which the paper's does
    not. Stem and head count as disposable (`inner`): table 3 leaves both out.
    """
    network = architecture(width, size, classes)
    if narrow_head:
        network = replace(network, head_channels=make_divisible(HEAD_CHANNELS * width))
    stem, last = network.stem_channels, network.head_channels
    layers = [Operator("stem", "conv", size, 3, stem, 3, 2, inner=True)]
    for block in network.blocks:
        name, inside = f"block{block.index}", block.expanded_channels
        if block.has_expand:
            layers.append(
                Operator(
                    f"{name}.expand",
                    "conv",
                    block.input_size,
                    block.input_channels,
                    inside,
                    inner=True,
                )
            )
        layers += [
            Operator(
                f"{name}.depthwise",
                "depthwise",
                block.input_size,
                inside,
                inside,
                3,
                block.stride,
                inner=True,
            ),
            Operator(f"{name}.project", "conv", block.output_size, inside, block.output_channels),
        ]
    end = network.head_size
    layers += [
        Operator("head", "conv", end, network.blocks[-1].output_channels, last, inner=True),
        Operator("pool", "pool", end, last, last, end),
        Operator("classifier", "conv", 1, last, classes, norm=False),
    ]
    return layers
