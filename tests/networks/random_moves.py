"""Operators of random TFLite networks that move values: slices, joins, transposes, pads."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.networks.random_builder import MOST_ELEMENTS, Builder, Live, operator


@operator
def concatenation(b: Builder, x: Live) -> Live | None:
    axis = b.integer(1, len(x.shape) - 1)
    fits = [
        t for t in b.live
        if len(t.shape) == len(x.shape)
        and all(i == axis or p == q for i, (p, q) in enumerate(zip(t.shape, x.shape, strict=True)))
    ]  # fmt: skip
    parts = [x, *(b.pick(*fits) for _ in range(b.integer(1, 3)))]
    shape = list(x.shape)
    shape[axis] = sum(t.shape[axis] for t in parts)
    if np.prod(shape) > MOST_ELEMENTS:
        return None
    # LiteRT's int8 CONCATENATION wants one scale.
    parts = [t for t in parts if (t.scale, t.zero_point) == (x.scale, x.zero_point)]
    shape[axis] = sum(t.shape[axis] for t in parts)
    b.use(f"CONCATENATION axis {axis} of {len(x.shape)}")
    y = b.like(x, shape)
    b.net.add(
        "CONCATENATION", [t.number for t in parts], [y.number], "ConcatenationOptions", axis=axis,
        fused_activation_function=0,
    )  # fmt: skip
    return y


@operator
def pad(b: Builder, x: Live) -> Live | None:
    if not x.is_map:
        return None
    pairs = [[0, 0], *([b.integer(0, 3), b.integer(0, 3)] for _ in range(2)), [0, 0]]
    if b.chance(0.2):
        pairs[3] = [b.integer(0, 2), b.integer(0, 2)]
    shape = [e + sum(p) for e, p in zip(x.shape, pairs, strict=True)]
    if np.prod(shape) > MOST_ELEMENTS:
        return None
    b.use(f"PAD {'channels' if any(pairs[3]) else 'map'}")
    y = b.like(x, shape)
    b.net.add("PAD", [x.number, b.ints(pairs)], [y.number], "PadOptions")
    return y


@operator
def slice_(b: Builder, x: Live) -> Live | None:
    begin = [0, *(b.integer(0, e - 1) for e in x.shape[1:])]
    size = [1, *(b.integer(1, e - s) for e, s in zip(x.shape[1:], begin[1:], strict=True))]
    b.use("SLICE")
    y = b.like(x, size)
    b.net.add("SLICE", [x.number, b.ints(begin), b.ints(size)], [y.number], "SliceOptions")
    return y


@operator
def strided_slice(b: Builder, x: Live) -> Live | None:
    begin = [0, *(b.integer(0, e - 1) for e in x.shape[1:])]
    stride = [1, *(b.integer(1, 3) for _ in x.shape[1:])]
    end = list(x.shape)
    shape = [-(-(e - s) // k) for e, s, k in zip(end, begin, stride, strict=True)]
    b.use("STRIDED_SLICE")
    y = b.like(x, shape)
    b.net.add(
        "STRIDED_SLICE", [x.number, b.ints(begin), b.ints(end), b.ints(stride)], [y.number],
        "StridedSliceOptions",
    )  # fmt: skip
    return y


@operator
def split(b: Builder, x: Live) -> Live | None:
    axis = len(x.shape) - 1
    parts = next((n for n in (2, 3, 4) if x.shape[axis] % n == 0), None)
    if parts is None:
        return None
    shape = [*x.shape[:-1], x.shape[axis] // parts]
    outs = [b.like(x, shape) for _ in range(parts)]
    b.use("SPLIT")
    b.net.add(
        "SPLIT", [b.ints(axis), x.number], [y.number for y in outs], "SplitOptions",
        num_splits=parts,
    )  # fmt: skip
    b.live += outs[1:]
    return outs[0]


def _select(b: Builder, name: str, x: Live, shape: Any, more: list[int], **options: Any) -> Live:
    """An operator that moves values of `x` into `shape`."""
    b.use(name)
    y = b.like(x, shape)
    kind = options.pop("kind", "")
    first = [*more, x.number] if options.pop("last", False) else [x.number, *more]
    b.net.add(name, first, [y.number], kind, **options)
    return y


@operator
def gather(b: Builder, x: Live) -> Live | None:
    axis = b.integer(1, len(x.shape) - 1)
    indices = [b.integer(0, x.shape[axis] - 1) for _ in range(b.integer(1, 7))]
    shape = [*x.shape[:axis], len(indices), *x.shape[axis + 1 :]]
    return _select(b, "GATHER", x, shape, [b.ints(indices)], kind="GatherOptions", axis=axis)


@operator
def tile(b: Builder, x: Live) -> Live | None:
    repeats = [1, *(b.pick(1, 1, 2, 3) for _ in x.shape[1:])]
    shape = [e * n for e, n in zip(x.shape, repeats, strict=True)]
    if np.prod(shape) > MOST_ELEMENTS or (b.quantised and b.dtype != "int8"):
        return None
    return _select(b, "TILE", x, shape, [b.ints(repeats)], kind="TileOptions")


@operator
def reverse(b: Builder, x: Live) -> Live | None:
    if b.dtype == "int8":
        return None
    axis = b.integer(1, len(x.shape) - 1)
    return _select(b, "REVERSE_V2", x, x.shape, [b.ints([axis])], kind="ReverseV2Options")


@operator
def mirror_pad(b: Builder, x: Live) -> Live | None:
    symmetric = b.chance(0.5)
    most = [min(3, e if symmetric else e - 1) for e in x.shape]
    pairs = [[0, 0], *([b.integer(0, m), b.integer(0, m)] for m in most[1:])]
    shape = [e + sum(p) for e, p in zip(x.shape, pairs, strict=True)]
    if np.prod(shape) > MOST_ELEMENTS:
        return None
    mode = 1 if symmetric else 0
    return _select(b, "MIRROR_PAD", x, shape, [b.ints(pairs)], kind="MirrorPadOptions", mode=mode)


@operator
def split_v(b: Builder, x: Live) -> Live | None:
    axis = b.integer(1, len(x.shape) - 1)
    if x.shape[axis] < 2:
        return None
    cut = b.integer(1, x.shape[axis] - 1)
    sizes = [cut, x.shape[axis] - cut]
    outs = [b.like(x, [*x.shape[:axis], n, *x.shape[axis + 1 :]]) for n in sizes]
    b.use(f"SPLIT_V axis {axis} of {len(x.shape)}")
    b.net.add(
        "SPLIT_V", [x.number, b.ints([sizes[0], -1]), b.ints(axis)], [y.number for y in outs],
        "SplitVOptions", num_splits=2,
    )  # fmt: skip
    b.live.append(outs[1])
    return outs[0]


@operator
def unpack(b: Builder, x: Live) -> Live | None:
    axis = b.integer(1, len(x.shape) - 1)
    if len(x.shape) < 3 or x.shape[axis] > 6:
        return None
    shape = [*x.shape[:axis], *x.shape[axis + 1 :]]
    outs = [b.like(x, shape) for _ in range(x.shape[axis])]
    b.use(f"UNPACK axis {axis} of {len(x.shape)}")
    b.net.add(
        "UNPACK", [x.number], [y.number for y in outs], "UnpackOptions", axis=axis, num=len(outs)
    )
    b.live += outs[1:]
    return outs[0]


@operator
def pack(b: Builder, x: Live) -> Live | None:
    alike = [
        t for t in b.live
        if t.shape == x.shape and (t.scale, t.zero_point) == (x.scale, x.zero_point)
    ]  # fmt: skip
    parts = [x, *(b.pick(*alike) for _ in range(b.integer(1, 2)))]
    axis = b.integer(1, len(x.shape))
    shape = [*x.shape[:axis], len(parts), *x.shape[axis:]]
    if np.prod(shape) > MOST_ELEMENTS or len(shape) > 5:
        return None
    b.use(f"PACK axis {axis} of {len(shape)}")
    y = b.like(x, shape)
    numbers = [t.number for t in parts]
    b.net.add("PACK", numbers, [y.number], "PackOptions", axis=axis, values_count=len(parts))
    return y


@operator
def padv2(b: Builder, x: Live) -> Live | None:
    if len(x.shape) > 4:
        return None
    pairs = [[0, 0], *([b.integer(0, 2), b.integer(0, 2)] for _ in x.shape[1:])]
    shape = [e + sum(p) for e, p in zip(x.shape, pairs, strict=True)]
    if np.prod(shape) > MOST_ELEMENTS:
        return None
    b.use("PADV2")
    y = b.like(x, shape)
    if b.quantised:
        limits = np.iinfo(b.dtype)
        value = np.array([b.integer(limits.min, limits.max)], b.dtype)
        fill = b.net.constant(value, scale=x.scale, zero_point=x.zero_point)
    else:
        fill = b.net.constant(np.array([b.random.normal()], np.float32))
    b.net.add("PADV2", [x.number, b.ints(pairs), fill], [y.number], "PadV2Options")
    return y


@operator
def transpose(b: Builder, x: Live) -> Live | None:
    axes = [0, *(int(i) + 1 for i in b.random.permutation(len(x.shape) - 1))]
    b.use(f"TRANSPOSE of {len(x.shape)}")
    y = b.like(x, [x.shape[i] for i in axes])
    b.net.add("TRANSPOSE", [x.number, b.ints(axes)], [y.number], "TransposeOptions")
    return y


@operator
def reshape(b: Builder, x: Live) -> Live | None:
    rest = x.shape[1:]
    kind = b.pick("flat", "map", "pixels")
    total = int(np.prod(rest))
    shape = {
        "flat": (1, total),
        "map": (1, 1, total // x.shape[-1], x.shape[-1]),
        "pixels": (1, total // x.shape[-1], x.shape[-1]),
    }[kind]
    b.use(f"RESHAPE {kind}")
    y = b.like(x, shape)
    b.net.add(
        "RESHAPE", [x.number, b.ints(shape)], [y.number], "ReshapeOptions", new_shape=list(shape)
    )
    return y
