"""Memory of the paper's detector and segmenter by a simulation that is not the planner's.

Shares no code with planner and verifier, nor with what makes the networks: sizes follow from the
paper's table 2 and sections 6.2 and 6.3, written down here again. A row of int8 is made when
somebody needs it and is gone when nobody does; a depthwise convolution and the projection behind
it are one step, whose depthwise pixel is all that exists of it. What is counted is live bytes:
nothing is placed, so figures of a plan lie above these. Cuts are those of the least largest chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

__all__ = ["Layer", "deeplab_layers", "least_bytes", "ssdlite_layers"]

TABLE_2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, repeats and stride of each stage."""
INT32_BYTES = 4
WHOLE = -1
"""In place of a window: all rows."""


@dataclass(frozen=True)
class Use:
    """Rows `r * stride // divisor - before` to `+ window - 1` of `tensor`, for row `r`."""

    tensor: str
    window: int = 1
    stride: int = 1
    before: int = 0
    divisor: int = 1

    def rows(self, row: int, height: int) -> range:
        """Those that exist."""
        if self.window == WHOLE:
            return range(height)
        first = row * self.stride // self.divisor - self.before
        return range(max(0, first), min(height, first + self.window))


@dataclass(frozen=True)
class Layer:
    """Makes `height` rows of `row_bytes`; 0 bytes where they are the caller's.

    `sums`: each step reads one more row, and there is one row in the end.
    """

    name: str
    uses: tuple[Use, ...]
    height: int
    row_bytes: int
    scratch_bytes: int = 0
    sums: bool = False
    is_output: bool = False


class _Chain:
    """Layers that run interleaved; what they read from before is whole."""

    def __init__(
        self,
        layers: Sequence[Layer],
        heights: dict[str, int],
        sizes: dict[str, int],
        kept: set[str],
    ) -> None:
        self.layers = {layer.name: layer for layer in layers}
        self.heights, self.sizes, self.kept = heights, sizes, kept
        self.readers: dict[str, list[Layer]] = {}
        for layer in layers:
            for use in layer.uses:
                self.readers.setdefault(use.tensor, []).append(layer)
        self.made = dict.fromkeys(self.layers, 0)
        self.there: dict[str, int] = {}
        """Rows that have been made, or fed, of what arrives from outside as well."""
        self.gone: dict[str, int] = {}
        self.live = self.most = 0

    def add(self, name: str, rows: int) -> None:
        """`rows` more rows of a tensor."""
        self.there[name] = self.there.get(name, 0) + rows
        self.live += rows * self.sizes[name]
        self.most = max(self.most, self.live)

    def retire(self, name: str) -> None:
        """Forget the rows of `name` that no reader's next row needs."""
        if name in self.kept:
            return
        first = self.there.get(name, 0)
        for layer in self.readers.get(name, ()):
            if self.made[layer.name] >= self.steps(layer):
                continue
            for use in layer.uses:
                if use.tensor == name:
                    first = min(first, self.wanted(layer, use).start)
        before = self.gone.get(name, 0)
        if first > before:
            self.gone[name] = first
            self.live -= (first - before) * self.sizes[name]

    def steps(self, layer: Layer) -> int:
        """How often a layer runs."""
        return self.heights[layer.uses[0].tensor] if layer.sums else layer.height

    def wanted(self, layer: Layer, use: Use) -> range:
        """Rows of `use` that the next step of `layer` reads."""
        return use.rows(self.made[layer.name], self.heights[use.tensor])

    def can(self, layer: Layer) -> bool:
        """Whether all is there for the next step."""
        return self.made[layer.name] < self.steps(layer) and all(
            self.there.get(use.tensor, 0) >= self.wanted(layer, use).stop for use in layer.uses
        )

    def ask(self, name: str, rows: int) -> None:
        """See to it that so many rows of a tensor are there."""
        while self.there.get(name, 0) < rows:
            if name in self.layers:
                self.step(self.layers[name])
            else:
                self.add(name, 1)
                self.follow(name)

    def step(self, layer: Layer) -> None:
        """One step, and before it those that it needs; behind it those that wait for it."""
        made = self.made[layer.name]
        for use in layer.uses:
            self.ask(use.tensor, self.wanted(layer, use).stop)
        if self.made[layer.name] > made:
            return
        first = not layer.sums or made == 0
        self.made[layer.name] += 1
        if first:
            self.live += self.sizes[layer.name]
        self.most = max(self.most, self.live + layer.scratch_bytes)
        if not layer.sums or self.made[layer.name] == self.steps(layer):
            self.there[layer.name] = self.there.get(layer.name, 0) + 1
        for use in layer.uses:
            self.retire(use.tensor)
        self.follow(layer.name)

    def follow(self, name: str) -> None:
        """Heads and sums take each row as it comes, so that nobody keeps it for them."""
        for layer in self.readers.get(name, ()):
            if layer.is_output or layer.sums:
                while self.can(layer):
                    self.step(layer)
        self.retire(name)


def least_bytes(layers: Sequence[Layer], image: tuple[int, int], fed: bool) -> int:
    """Most bytes alive at once with the best cuts; `image`: rows and bytes of one.

    The image is there from the beginning, or fed row by row. Results are the caller's.
    """
    heights = {"image": image[0]} | {x.name: x.height for x in layers}
    sizes = {"image": image[1]} | {x.name: x.row_bytes for x in layers}

    def crossing(position: int) -> set[str]:
        before = {"image"} | {x.name for x in layers[:position]}
        after = {use.tensor for x in layers[position:] for use in x.uses}
        return before & after

    @cache
    def chain(first: int, last: int) -> int:
        kept = crossing(last)
        run = _Chain(layers[first:last], heights, sizes, kept)
        for name in sorted(crossing(first)):
            if not (fed and name == "image"):
                run.add(name, heights[name])
        for name in sorted(crossing(first)):
            run.follow(name)
        # The last one that somebody wants asks; what it does not need comes behind it.
        wanted = [x for x in layers[first:last] if x.name in kept] or layers[first:last]
        for layer in [wanted[-1], *layers[first:last]]:
            while run.made[layer.name] < run.steps(layer):
                run.step(layer)
        return run.most

    best = [0]
    for last in range(1, len(layers) + 1):
        best.append(min(max(best[first], chain(first, last)) for first in range(last)))
    return best[-1]


def _divisible(value: float) -> int:
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def _window(tensor: str, height: int, stride: int, dilation: int = 1) -> tuple[Use, int]:
    """A 3x3 window with TensorFlow's SAME padding, and the rows that it makes."""
    window, made = 2 * dilation + 1, -(-height // stride)
    before = max((made - 1) * stride + window - height, 0) // 2
    return Use(tensor, window, stride, before), made


def _backbone(size: int, width: float, output_stride: int) -> Iterator[tuple[list[Layer], int]]:
    """The stem, then what each inverted residual is made of; with the channels of its last layer.

    A dilated block is two plain ones, over the even and the odd rows: `block15/0`, `block15/1`.
    """
    channels = _divisible(32 * width)
    use, height = _window("image", size, 2)
    yield [Layer("stem", (use,), height, height * channels, INT32_BYTES * channels)], channels
    number, stride_so_far, dilation = 0, 2, 1
    # Tensors that hold the rows r * phases + phase; their heights.
    sources, heights = ["stem"], [height]
    wide = height
    for expansion, stage_channels, repeats, stage_stride in TABLE_2:
        outputs = _divisible(stage_channels * width)
        for repeat in range(repeats):
            number += 1
            stride = stage_stride if repeat == 0 else 1
            phases = dilation
            if stride > 1 and stride_so_far == output_stride:
                dilation *= stride
                stride = 1
            stride_so_far *= stride
            uses = [Use(name) for name in sources]
            if len(uses) < phases:
                heights = [-(-(heights[0] - phase) // phases) for phase in range(phases)]
                uses = [Use(sources[0], 1, phases, -phase) for phase in range(phases)]
            residual = stride == 1 and channels == outputs
            inner = channels * expansion
            made_wide = -(-wide // stride)
            layers = []
            for phase, (first, high) in enumerate(zip(uses, heights, strict=True)):
                ending = f"/{phase}" if phases > 1 else ""
                source = first.tensor
                if expansion > 1:
                    source = f"expand{number}{ending}"
                    layers.append(Layer(source, (first,), high, wide * inner, INT32_BYTES * inner))
                use, made = _window(source, high, stride)
                both = (use, first) if residual else (use,)
                scratch = inner + INT32_BYTES * outputs
                name = f"block{number}{ending}"
                layers.append(Layer(name, both, made, made_wide * outputs, scratch))
            sources = [x.name for x in layers if x.name.startswith("block")]
            heights = [x.height for x in layers if x.name.startswith("block")]
            wide, channels = made_wide, outputs
            yield layers, inner if expansion > 1 else channels


def ssdlite_layers(size: int = 320, width: float = 1.0) -> list[Layer]:
    """SSDLite: heads on the expansion of layer 15 (block 14), the last layer, four further maps."""
    layers: list[Layer] = []

    def heads(source: Layer, channels: int) -> None:
        use, height = _window(source.name, source.height, 1)
        for kind in ("boxes", "scores"):
            layers.append(Layer(f"{kind}:{source.name}", (use,), height, 0, channels, False, True))

    for block, inner in _backbone(size, width, 32):
        for layer in block:
            layers.append(layer)
            if layer.name == "expand14":
                heads(layer, inner)
    last = layers[-1]
    head = max(1280, _divisible(1280 * width))
    layers.append(Layer("head", (Use(last.name),), last.height, last.height * head))
    heads(layers[-1], head)
    source = next(x for x in layers if x.name == "head")
    for outer in (512, 256, 256, 128):
        outer = _divisible(outer * width)
        inner = _divisible(outer / 2)
        reduced = Layer(
            f"reduce:{source.name}", (Use(source.name),), source.height, source.height * inner
        )
        use, height = _window(reduced.name, reduced.height, 2)
        source = Layer(f"map{outer}:{height}", (use,), height, height * outer, inner)
        layers += [reduced, source]
        heads(source, outer)
    return layers


def deeplab_layers(size: int = 257, width: float = 1.0, classes: int = 21) -> list[Layer]:
    """DeepLabv3 at output stride 16 without ASPP: a pointwise branch and one of the mean."""
    blocks = [block for block, _ in _backbone(size, width, 16)]
    layers = [layer for block in blocks for layer in block]
    channels, head = _divisible(320 * width), 256
    last = [x for x in layers if x.name.startswith("block17")]
    high = sum(x.height for x in last)
    sums = [
        Layer(f"mean:{x.name}", (Use(x.name),), 1, INT32_BYTES * channels, sums=True) for x in last
    ]
    features = [Use(x.name, divisor=len(last)) for x in last]
    layers += [
        *sums,
        Layer("pooled", tuple(Use(x.name) for x in sums), 1, head),
        Layer("joined", (*features, Use("pooled", WHOLE)), high, high * 2 * head),
        Layer("project", (Use("joined"),), high, high * head),
        Layer("classes", (Use("project"),), high, high * classes),
    ]
    # Bilinear: a row is made of two; what is sampled is one row of all classes.
    between = Use("classes", 2, high - 1, divisor=size - 1)
    layers.append(Layer("mask", (between,), size, 0, size * classes, False, True))
    return layers
