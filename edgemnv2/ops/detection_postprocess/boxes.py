"""Decoding and overlap of boxes, as code that gives the same bits on every machine.

Products are rounded before they are added to: `edgemnv2/tir/settled.py`.
"""

from __future__ import annotations

import math
from typing import Any

from tvm import tirx

from edgemnv2.arithmetic.reproducible import EXP_TERMS, LN2_HIGH, LN2_LOW
from edgemnv2.tir.builder import Builder, cast, load, reinterpret, scalar
from edgemnv2.tir.settled import Settled

__all__ = ["Box", "corners", "overlaps", "stored_box"]

Expr = Any
Box = tuple[Expr, Expr, Expr, Expr]
"""ymin, xmin, ymax, xmax, float32."""
LARGEST_POWER = 700.0
"""Boxes of exp(700) are as infinite in float32 as larger ones."""
EXPONENT_BIAS, MANTISSA_BITS = 1023, 52


def corners(settled: Settled, encoded: Box, anchor: Box, scales: tuple[float, ...]) -> Box:
    """The box of `encoded` (y, x, height, width) around `anchor`, all float32."""
    k = settled.k
    middles, halves = [], []
    for axis in (0, 1):
        size = cast(anchor[2 + axis], "float64")
        step = cast(encoded[axis], "float64") / scalar(scales[axis], "float64")
        moved = settled.product(step, size, "float64") + cast(anchor[axis], "float64")
        middles.append(k.keep(cast(moved, "float32"), "float32"))
        power = cast(encoded[2 + axis], "float64") / scalar(scales[2 + axis], "float64")
        grown = scalar(0.5, "float64") * _exponential(settled, power) * size
        halves.append(k.keep(cast(grown, "float32"), "float32"))
    (y, x), (tall, wide) = middles, halves
    ymin, xmin, ymax, xmax = (
        k.keep(value, "float32") for value in (y - tall, x - wide, y + tall, x + wide)
    )
    return ymin, xmin, ymax, xmax


def _exponential(settled: Settled, x: Expr) -> Expr:
    """exp of a float64 expression to the last bit or two; what is out of range is at its end."""
    k, wide = settled.k, "float64"
    most, least = scalar(LARGEST_POWER, wide), scalar(-LARGEST_POWER, wide)
    x = k.keep(x, wide)
    # What is no number is small.
    limited = k.keep(tirx.Select(x > least, tirx.Select(x < most, x, most), least), wide)
    scaled = settled.product(limited, scalar(1.0 / math.log(2.0), wide), wide)
    half = tirx.Select(scaled < scalar(0, wide), scalar(-0.5, wide), scalar(0.5, wide))
    power = k.keep(cast(scaled + half, "int64"), "int64")
    whole = k.keep(cast(power, wide), wide)
    rest = k.keep(limited - settled.product(whole, scalar(LN2_HIGH, wide), wide), wide)
    rest = k.keep(rest - settled.product(whole, scalar(LN2_LOW, wide), wide), wide)
    total: Expr = scalar(1.0 / math.factorial(EXP_TERMS), wide)
    for term in range(EXP_TERMS - 1, -1, -1):
        factor = scalar(1.0 / math.factorial(term), wide)
        total = settled.product(total, rest, wide) + factor
    bias, place = scalar(EXPONENT_BIAS, "int64"), scalar(MANTISSA_BITS, "int64")
    return total * reinterpret(k.keep((power + bias) << place, "int64"), wide)


def overlaps(settled: Settled, a: Box, b: Box, threshold: float) -> Expr:
    """Whether intersection over union of two boxes is above `threshold`; never without an area."""
    zero = scalar(0, "float32")
    areas = [settled.product(x[2] - x[0], x[3] - x[1], "float32") for x in (a, b)]
    tall = tirx.Min(a[2], b[2]) - tirx.Max(a[0], b[0])
    wide = tirx.Min(a[3], b[3]) - tirx.Max(a[1], b[1])
    shared = settled.product(tirx.Max(tall, zero), tirx.Max(wide, zero), "float32")
    ratio = shared / (areas[0] + areas[1] - shared)
    some = tirx.And(areas[0] > zero, areas[1] > zero)
    return tirx.And(some, ratio > scalar(threshold, "float32"))


def stored_box(k: Builder, buffer: Any, at: Expr, dtype: str) -> Box:
    """Four numbers from element `at` on, kept as floats or as the bits of floats."""
    values = [k.let(load(buffer, at + i, dtype)) for i in range(4)]
    if dtype != "float32":
        values = [k.keep(reinterpret(value, "float32"), "float32") for value in values]
    return values[0], values[1], values[2], values[3]
