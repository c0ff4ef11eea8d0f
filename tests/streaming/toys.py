"""Toy networks written down as row operations, with what they compute in NumPy beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgemnv2.ops.kernel import RowKernel
from edgemnv2.program import Read, RowOp, RowOps, RowTensor, Write
from tests.streaming import toy_kernels as kernels
from tests.streaming.toy_kernels import SHIFT, ZERO

FILL = bytes([ZERO & 0xFF])
LOWEST = b"\x80"
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Toy:
    """A finished network; `shapes` of all tensors, `dtypes` of those that are not int8."""

    name: str
    rows: RowOps
    kernels: Mapping[str, RowKernel]
    shapes: Mapping[str, Shape]
    dtypes: Mapping[str, str]
    run: Callable[[Mapping[str, Any]], dict[str, Any]]
    """Arrays `[H, W, C]` of the inputs -> of all tensors."""

    def inputs(self, seed: int) -> dict[str, Any]:
        random = np.random.default_rng(seed)
        return {
            name: random.integers(-128, 128, self.shapes[name]).astype(np.int8)
            for name in self.rows.inputs
        }


class Maker:
    """A toy under construction; every method returns the name of what it makes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.random = np.random.default_rng(len(name))
        self.shapes: dict[str, Shape] = {}
        self.dtypes: dict[str, str] = {}
        self.tensors: dict[str, RowTensor] = {}
        self.ops: list[RowOp] = []
        self.kernels: dict[str, RowKernel] = {}
        self.numpy: list[Callable[[dict[str, Any]], None]] = []
        self.inputs: list[str] = []

    def tensor(self, name: str, shape: Shape, dtype: str = "int8") -> str:
        size = np.dtype(dtype).itemsize
        self.shapes[name] = shape
        if dtype != "int8":
            self.dtypes[name] = dtype
        self.tensors[name] = RowTensor(name, shape[0], shape[1] * shape[2] * size, min(size, 8))
        return name

    def input(self, name: str, shape: Shape) -> str:
        self.inputs.append(name)
        return self.tensor(name, shape)

    def finish(self, *outputs: str) -> Toy:
        def run(inputs: Mapping[str, Any]) -> dict[str, Any]:
            values = dict(inputs)
            for name, shape in self.shapes.items():
                if name not in values:
                    values[name] = np.zeros(shape, self.dtypes.get(name, "int8"))
            for function in self.numpy:
                function(values)
            return values

        rows = RowOps(self.tensors, tuple(self.ops), tuple(self.inputs), outputs)
        return Toy(self.name, rows, self.kernels, self.shapes, self.dtypes, run)

    def _op(
        self,
        kernel: RowKernel,
        reads: tuple[Read, ...],
        writes: tuple[Write, ...],
        steps: int,
        compute: Callable[[dict[str, Any]], Any],
        **facts: bool,
    ) -> None:
        """`compute` gives rows `[steps, W, C]`, a tuple of them for several tensors."""
        name = f"{len(self.ops)}.{writes[0].tensor}"
        self.kernels[name] = kernel
        op = RowOp(name, len(self.ops), reads, writes, steps, kernel.scratch_bytes, **facts)
        self.ops.append(op)

        def store(values: dict[str, Any]) -> None:
            made = compute(values)
            for write, rows in zip(
                writes, made if isinstance(made, tuple) else (made,), strict=True
            ):
                into = values[write.tensor]
                if write.part_bytes:
                    into[:, :, write.offset_bytes : write.offset_bytes + write.part_bytes] = rows
                else:
                    flat = np.asarray(rows).reshape(-1, *into.shape[1:])
                    into[write.first_row : write.first_row + len(flat)] = flat

        self.numpy.append(store)

    def _target(self, into: str | Write | None, shape: Shape) -> Write:
        if isinstance(into, Write):
            return into
        return Write(self.tensor(into or f"t{len(self.ops)}", shape))

    def convolution(
        self,
        source: str,
        channels: int | None,
        size: int = 1,
        stride: int = 1,
        dilation: int = 1,
        into: str | Write | None = None,
    ) -> str:
        """Depthwise for `channels` None."""
        height, width, cin = self.shapes[source]
        pad = dilation * (size - 1) // 2
        out_h, out_w = (
            (n + 2 * pad - dilation * (size - 1) - 1) // stride + 1 for n in (height, width)
        )
        cout = channels or cin
        write = self._target(into, (out_h, out_w, cout))
        depth = size * size * (cin if channels else 1)
        limit = max(4, int(90 / depth**0.5))
        shape = (size, size, cin, channels) if channels else (size, size, cin)
        weight = self.random.integers(-limit, limit + 1, shape).astype(np.int8)
        kernel = kernels.convolution(weight, width, out_w, stride, write.pitch_bytes, dilation)
        read = Read(source, (size - 1) * dilation + 1, stride, pad, fill=FILL, spacing=dilation)

        def compute(values: dict[str, Any]) -> Any:
            x = np.pad(values[source].astype(np.int32) - ZERO, ((pad, pad), (pad, pad), (0, 0)))
            total = np.zeros((out_h, out_w, cout), np.int32)
            for ky in range(size):
                for kx in range(size):
                    y0, x0 = ky * dilation, kx * dilation
                    part = x[y0 : y0 + out_h * stride : stride, x0 : x0 + out_w * stride : stride]
                    part = part[:out_h, :out_w]
                    w = weight[ky, kx].astype(np.int32)
                    total += part @ w if channels else part * w
            scaled = ((total + (1 << (SHIFT - 1))) >> SHIFT) + ZERO
            return np.clip(scaled, -128, 127).astype(np.int8)

        self._op(kernel, (read,), (write,), out_h, compute)
        return write.tensor

    def add(self, a: str, b: str) -> str:
        """In place of `b`."""
        height, width, channels = self.shapes[b]
        assert self.shapes[a] == self.shapes[b]

        def compute(values: dict[str, Any]) -> Any:
            total = values[a].astype(np.int32) + values[b] - ZERO
            return np.clip(total, -128, 127).astype(np.int8)

        kernel = kernels.add(width * channels)
        self._op(kernel, (Read(a), Read(b)), (Write(b),), height, compute, updates=True)
        return b

    def mean(self, source: str) -> str:
        height, width, channels = self.shapes[source]
        sums = self.tensor(f"t{len(self.ops)}", (1, 1, channels), "int32")
        self._op(
            kernels.sum_rows(width, channels),
            (Read(source),),
            (Write(sums),),
            height,
            lambda values: values[source].astype(np.int32).sum((0, 1), keepdims=True),
            accumulates=True,
        )
        out = self.tensor(f"t{len(self.ops)}", (1, 1, channels))
        count = height * width
        self._op(
            kernels.mean(channels, count),
            (Read(sums),),
            (Write(out),),
            1,
            lambda values: np.clip(values[sums] // count, -128, 127).astype(np.int8),
        )
        return out

    def spread(self, source: str, height: int, width: int, into: str | Write | None = None) -> str:
        channels = self.shapes[source][2]
        write = self._target(into, (height, width, channels))
        kernel = kernels.spread(width, channels, write.pitch_bytes)
        self._op(
            kernel,
            (Read.broadcast(source),),
            (write,),
            height,
            lambda values: np.broadcast_to(values[source], (height, width, channels)),
        )
        return write.tensor

    def concatenate(self, sources: list[str]) -> str:
        """A copy of all operands."""
        height, width, _ = self.shapes[sources[0]]
        channels = tuple(self.shapes[name][2] for name in sources)
        out = self.tensor(f"t{len(self.ops)}", (height, width, sum(channels)))
        kernel = kernels.concatenate(width, channels)
        reads = tuple(Read(name) for name in sources)
        self._op(
            kernel,
            reads,
            (Write(out),),
            height,
            lambda values: np.concatenate([values[name] for name in sources], 2),
        )
        return out

    def maximum(self, source: str) -> str:
        height, width, channels = self.shapes[source]
        out_h, out_w = -(-height // 2), -(-width // 2)
        out = self.tensor(f"t{len(self.ops)}", (out_h, out_w, channels))

        def compute(values: dict[str, Any]) -> Any:
            x = np.pad(
                values[source],
                ((0, height % 2), (0, width % 2), (0, 0)),
                constant_values=-128,
            )
            return x.reshape(out_h, 2, out_w, 2, channels).max((1, 3))

        kernel = kernels.maximum(width, out_w, channels)
        self._op(kernel, (Read(source, 2, 2, fill=LOWEST),), (Write(out),), out_h, compute)
        return out

    def upsample(self, source: str, height: int, width: int, into: str | None = None) -> str:
        h, w, channels = self.shapes[source]
        write = self._target(into, (height, width, channels))
        read = Read.rational(source, h - 1, 0, height - 1, 2)

        def compute(values: dict[str, Any]) -> Any:
            x = values[source].astype(np.int32)
            for axis, (size, to) in enumerate(((h, height), (w, width))):
                first = np.arange(to) * (size - 1) // (to - 1)
                second = np.minimum(first + 1, size - 1)
                share = kernels.resize_weights(size, to)
                share = share[:, None, None] if axis == 0 else share[:, None]
                x = np.take(x, first, axis) * (64 - share) + np.take(x, second, axis) * share
            return (x >> 12).astype(np.int8)

        kernel = kernels.upsample((h, height), (w, width), channels)
        self._op(kernel, (read,), (write,), height, compute)
        return write.tensor

    def best_channel(self, source: str, into: str, most: str) -> str:
        height, width, channels = self.shapes[source]
        out = self.tensor(into, (height, width, 1), "int64")
        value = self.tensor(most, (height, width, 1))

        def compute(values: dict[str, Any]) -> Any:
            x = values[source]
            return x.argmax(2)[:, :, None], x.max(2)[:, :, None]

        kernel = kernels.best_channel(width, channels)
        self._op(kernel, (Read(source),), (Write(out), Write(value)), height, compute)
        return out

    def product(self, source: str, outputs: int, into: str) -> str:
        height, width, channels = self.shapes[source]
        kernel = kernels.product(height * width * channels, outputs)
        out = self.tensor(into, (1, 1, outputs))

        def compute(values: dict[str, Any]) -> Any:
            x = values[source].astype(np.int32).reshape(-1) - ZERO
            total = x @ kernel.constants[0].astype(np.int32)
            scaled = ((total + (1 << (SHIFT - 1))) >> SHIFT) + ZERO
            return np.clip(scaled, -128, 127).astype(np.int8).reshape(1, 1, -1)

        self._op(kernel, (Read.whole(source, height),), (Write(out),), 1, compute)
        return out

    def block(self, source: str, channels: int, stride: int = 1, expand: int = 4) -> str:
        """An inverted residual."""
        wide = self.convolution(source, self.shapes[source][2] * expand)
        deep = self.convolution(wide, None, 3, stride)
        out = self.convolution(deep, channels)
        return self.add(source, out) if self.shapes[out] == self.shapes[source] else out


def deeplab() -> Toy:
    """Dilated depthwise, five ways into one row, a global mean spread back, bilinear upsampling.

    Three outputs: the scores, which are read again for the two that one operation makes of them.
    """
    m = Maker("deeplab")
    x = m.convolution(m.input("image", (65, 65, 3)), 8, 3, 2)
    x = m.block(x, 8)
    x = m.block(x, 12, 2)
    x = m.block(x, 12)
    x = m.block(x, 16)
    x = m.block(x, 16)
    height, width, _ = m.shapes[x]
    joined = m.tensor("joined", (height, width, 40))

    def part(number: int) -> Write:
        return Write(joined, offset_bytes=8 * number, part_bytes=8, pitch_bytes=40)

    pooled = m.convolution(m.mean(x), 8)
    m.spread(pooled, height, width, part(0))
    m.convolution(x, 8, into=part(1))
    for number, rate in enumerate((2, 3, 4), 2):
        m.convolution(m.convolution(x, None, 3, 1, rate), 8, into=part(number))
    x = m.convolution(joined, 6)
    scores = m.upsample(x, 65, 65, into="scores")
    m.best_channel(scores, "classes", "certainty")
    return m.finish("scores", "classes", "certainty")


def ssd() -> Toy:
    """Six feature maps, each with two heads that are flattened into one tensor; two outputs.

    As in most sources, all heads come behind the backbone.
    """
    m = Maker("ssd")
    x = m.convolution(m.input("image", (96, 96, 3)), 8, 3, 2)
    x = m.block(x, 8)
    x = m.block(x, 12, 2)
    x = m.block(x, 12)
    x = m.block(x, 16, 2)
    maps = [m.block(x, 16)]
    maps.append(m.block(m.block(maps[-1], 24, 2), 24))
    for channels in (16, 16, 12):
        maps.append(m.convolution(m.maximum(maps[-1]), channels))
    maps.append(m.convolution(m.convolution(maps[-1], 8), 12, 3, 2))
    cells = [m.shapes[name][0] * m.shapes[name][1] for name in maps]
    assert len(maps) == 6
    boxes = m.tensor("boxes", (3 * sum(cells), 1, 4))
    scores = m.tensor("scores", (3 * sum(cells), 1, 7))
    at = 0
    for name, count in zip(maps, cells, strict=True):
        for tensor, channels in ((boxes, 4), (scores, 7)):
            deep = m.convolution(name, None, 3)
            rows = 3 * m.shapes[name][1]
            m.convolution(deep, 3 * channels, into=Write(tensor, first_row=at, rows=rows))
        at += 3 * count
    return m.finish(boxes, scores)


def two_heads() -> Toy:
    """An early head and one at the end of the tail; the second on a whole map."""
    m = Maker("two heads")
    x = m.convolution(m.input("image", (48, 40, 3)), 8, 3, 2)
    x = m.block(x, 12, 2)
    m.convolution(x, 5, into="early")
    x = m.block(x, 12)
    x = m.block(x, 16, 2)
    x = m.block(x, 16)
    m.product(x, 10, "late")
    return m.finish("early", "late")


def two_inputs() -> Toy:
    """An image by rows, a map of half its size and one pixel that are whole."""
    m = Maker("two inputs")
    image = m.input("image", (32, 32, 3))
    mask, tint = m.input("mask", (16, 16, 4)), m.input("tint", (1, 1, 8))
    x = m.convolution(image, 8, 3, 2)
    x = m.concatenate([x, mask, m.spread(tint, 16, 16)])
    x = m.block(x, 20)
    x = m.block(x, 24, 2)
    m.convolution(x, 6, into="out")
    return m.finish("out")


TOYS = {toy.__name__: toy for toy in (deeplab, ssd, two_heads, two_inputs)}
