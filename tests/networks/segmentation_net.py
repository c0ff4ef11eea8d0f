"""Segmenters and grids on MobileNetV2 as the field writes them, with seeded weights."""

from __future__ import annotations

from tests.networks.field_net import NONE, FieldNet, Value, mobilenet_v2

__all__ = ["deeplab", "fomo", "unet"]


def deeplab(
    net: FieldNet,
    size: int,
    classes: int = 21,
    *,
    width: float = 0.25,
    stride: int = 16,
    rates: tuple[int, ...] = (),
    ending: str = "int64",
    align: bool = True,
    pooling: str = "AVERAGE_POOL_2D",
    preprocess: bool = False,
) -> None:
    """DeepLabv3 of github.com/tensorflow/models, `export_model.py`.

    `ending`: "scores" of each pixel, or the type of an ARG_MAX behind them. `preprocess`: pixels of
    0 to 255 come in, and are made -1 to 1 inside.
    """
    x = net.input(1, size, size, 3)
    if preprocess:
        x = net.scaled(net.scaled(x, "MUL", 2 / 255), "SUB", 1.0)
    features = mobilenet_v2(net, x, width, stride)["block7"]
    pooled = net.pooled(features) if pooling == "AVERAGE_POOL_2D" else net.mean(features)
    pooled = net.convolution(pooled, 32)
    branches = [net.resized(pooled, features.shape[1], align_corners=align)]
    branches.append(net.convolution(features, 32))
    branches += [net.convolution(features, 32, 3, dilation=rate) for rate in rates]
    joined = net.convolution(net.joined(branches, 3), 32)
    scores = net.convolution(joined, classes, activation=NONE)
    # The API resizes twice: to the size of the decoder's map, and to the picture's.
    scores = net.resized(scores, -(-size // 4), align_corners=align)
    scores = net.resized(scores, size, align_corners=align)
    net.give(scores if ending == "scores" else net.largest(scores, ending))


def unet(
    net: FieldNet, size: int, classes: int = 3, *, width: float = 0.25, sigmoid: bool = False
) -> None:
    """The U-Net of TensorFlow's tutorial on segmentation: skips, and CONV_2D transposed.

    With `sigmoid`, as those for one thing alone (persons, roads, lesions) end.
    """
    found = mobilenet_v2(net, net.input(1, size, size, 3), width)
    skips = [found[name] for name in ("expand6", "expand4", "expand3", "expand2")]
    x = found["block7"]
    for number, skip in enumerate(skips):
        x = net.activated(net.transposed(x, 64 >> number))
        x = net.joined([x, skip], 3)
    scores = net.transposed(x, classes)
    net.give(net.probabilities(scores, "LOGISTIC") if sigmoid else scores)


def fomo(net: FieldNet, size: int, classes: int = 3, *, channels: int = 3) -> None:
    """Edge Impulse's FOMO: MobileNetV2 cut at stride 8, and a softmax for each cell."""
    found: Value = mobilenet_v2(net, net.input(1, size, size, channels), 0.35, last=4)["expand4"]
    x = net.convolution(found, 32)
    net.give(net.probabilities(net.convolution(x, classes, activation=NONE), "SOFTMAX"))
