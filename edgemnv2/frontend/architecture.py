"""The paper's architecture (its table 2) as plain data: no weights, no TVM.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv 1801.04381.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TABLE_2", "Architecture", "Bottleneck", "Stage", "architecture", "make_divisible"]

STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
CHANNEL_MULTIPLE = 8
KERNEL = 3


@dataclass(frozen=True)
class Stage:
    """One line of table 2: `repeats` bottlenecks, the first with `stride`."""

    expansion: int
    channels: int
    repeats: int
    stride: int


TABLE_2 = (
    Stage(expansion=1, channels=16, repeats=1, stride=1),
    Stage(expansion=6, channels=24, repeats=2, stride=2),
    Stage(expansion=6, channels=32, repeats=3, stride=2),
    Stage(expansion=6, channels=64, repeats=4, stride=2),
    Stage(expansion=6, channels=96, repeats=3, stride=1),
    Stage(expansion=6, channels=160, repeats=3, stride=2),
    Stage(expansion=6, channels=320, repeats=1, stride=1),
)


@dataclass(frozen=True)
class Bottleneck:
    """One inverted residual: expand (unless t = 1), depthwise 3x3, linear project.

    Sizes are height = width in pixels; `index` counts from 1.
    """

    index: int
    input_size: int
    output_size: int
    input_channels: int
    expanded_channels: int
    output_channels: int
    stride: int

    @property
    def has_expand(self) -> bool:
        """Whether there is an expansion convolution (not where t = 1)."""
        return self.expanded_channels != self.input_channels

    @property
    def has_residual(self) -> bool:
        """Whether the input is added to the output: stride 1 and equal channels."""
        return self.stride == 1 and self.input_channels == self.output_channels

    @property
    def macs(self) -> int:
        """Multiply-accumulates: the paper's `h w d' t (d' + k^2 + d'')`, the stride counted."""
        expand = self.input_size**2 * self.input_channels * self.expanded_channels
        depthwise = self.output_size**2 * self.expanded_channels * KERNEL**2
        project = self.output_size**2 * self.expanded_channels * self.output_channels
        return (expand if self.has_expand else 0) + depthwise + project

    @property
    def parameters(self) -> int:
        """Weights and biases, batch normalisation folded into them."""
        expand = (self.input_channels + 1) * self.expanded_channels
        depthwise = (KERNEL**2 + 1) * self.expanded_channels
        project = (self.expanded_channels + 1) * self.output_channels
        return (expand if self.has_expand else 0) + depthwise + project


@dataclass(frozen=True)
class Architecture:
    """A whole network: stem 3x3 stride 2, bottlenecks, head 1x1, mean, classifier 1x1."""

    width: float
    resolution: int
    input_channels: int
    stem_channels: int
    blocks: tuple[Bottleneck, ...]
    head_channels: int
    classes: int

    @property
    def stem_size(self) -> int:
        """Height = width behind the stem."""
        return self.blocks[0].input_size

    @property
    def head_size(self) -> int:
        """Height = width of the map that is averaged."""
        return self.blocks[-1].output_size

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        stem = self.stem_size**2 * KERNEL**2 * self.input_channels * self.stem_channels
        head = self.head_size**2 * self.blocks[-1].output_channels * self.head_channels
        classifier = self.head_channels * self.classes
        return stem + sum(x.macs for x in self.blocks) + head + classifier

    @property
    def parameters(self) -> int:
        """Weights and biases, batch normalisation folded into them."""
        stem = (KERNEL**2 * self.input_channels + 1) * self.stem_channels
        head = (self.blocks[-1].output_channels + 1) * self.head_channels
        classifier = (self.head_channels + 1) * self.classes
        return stem + sum(x.parameters for x in self.blocks) + head + classifier


def make_divisible(value: float, divisor: int = CHANNEL_MULTIPLE) -> int:
    """The nearest multiple of `divisor`, at least `divisor`, never below 90 % of `value`."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def architecture(
    width: float = 1.0,
    resolution: int = 224,
    classes: int = 1000,
    input_channels: int = 3,
    expansion: float = 6,
) -> Architecture:
    """The network for one width multiplier and resolution.

    `expansion` is t of every stage but the first (t = 1 there). The head keeps its 1280 channels
    for a width below 1.
    """
    size = -(-resolution // 2)
    channels = stem_channels = make_divisible(STEM_CHANNELS * width)
    blocks: list[Bottleneck] = []
    for stage in TABLE_2:
        output_channels = make_divisible(stage.channels * width)
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            factor = 1 if stage.expansion == 1 else expansion
            output_size = -(-size // stride)
            blocks.append(
                Bottleneck(
                    index=len(blocks) + 1,
                    input_size=size,
                    output_size=output_size,
                    input_channels=channels,
                    expanded_channels=max(1, round(channels * factor)),
                    output_channels=output_channels,
                    stride=stride,
                )
            )
            size, channels = output_size, output_channels
    head_channels = make_divisible(HEAD_CHANNELS * max(1.0, width))
    return Architecture(
        width, resolution, input_channels, stem_channels, tuple(blocks), head_channels, classes
    )
