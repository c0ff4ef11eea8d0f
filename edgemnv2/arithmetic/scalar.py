"""TFLite's fixed-point arithmetic on single Python integers: for tables made in advance.

Sources: gemmlowp `fixedpoint/fixedpoint.h`, TFLite `kernels/internal/common.h`.
"""

from __future__ import annotations

__all__ = [
    "divide_by_pot",
    "high_mul",
    "inverse_root",
    "scaled",
    "wrapped",
]

INT32_MAX = 2**31 - 1
HALF_ROOT_OF_TWO = 1518500250
"""sqrt(2) / 2 in Q0.31."""


def high_mul(a: int, b: int, bits: int = 32) -> int:
    """gemmlowp's SaturatingRoundingDoublingHighMul of `bits`-bit integers."""
    product, half = a * b, 1 << (bits - 2)
    total = product + (half if product >= 0 else 1 - half)
    size = abs(total) >> (bits - 1)
    return min(size if total >= 0 else -size, (1 << (bits - 1)) - 1)


def divide_by_pot(x: int, exponent: int) -> int:
    """gemmlowp's RoundingDivideByPOT: halves away from zero."""
    mask = (1 << exponent) - 1
    return (x >> exponent) + int((x & mask) > (mask >> 1) + (x < 0))


def wrapped(x: int, bits: int = 32) -> int:
    """`x` as a signed integer of `bits` bits holds it."""
    half = 1 << (bits - 1)
    return (x + half) % (1 << bits) - half


def scaled(x: int, multiplier: int, shift: int) -> int:
    """TFLite's MultiplyByQuantizedMultiplier."""
    left, right = max(shift, 0), max(-shift, 0)
    return divide_by_pot(high_mul(wrapped(x << left), multiplier), right)


def inverse_root(x: int) -> tuple[int, int]:
    """TFLite's GetInvSqrtQuantizedMultiplierExp: 1 / sqrt(x) as a multiplier and a left shift."""
    if x <= 1:
        return INT32_MAX, 0
    shift = 11
    while x >= 1 << 29:
        x //= 4
        shift += 1
    pairs = (32 - x.bit_length() - 1) // 2 - 1
    shift -= pairs
    x <<= 2 * pairs
    # Newton's iteration for 1 / sqrt in Q3.28, from 1 on.
    half = divide_by_pot(x >> 1, 1)
    root = 1 << 28
    for _ in range(5):
        # Products of Q3.28 have 6 and 9 integer bits.
        cube = _rescaled(high_mul(high_mul(root, root), root), 6)
        root = _rescaled(high_mul(3 << 27, root) - high_mul(half, cube), 3)
    root = high_mul(root, HALF_ROOT_OF_TWO)
    if shift < 0:
        root, shift = root << -shift, 0
    return root, -shift


def _rescaled(x: int, bits: int) -> int:
    """SaturatingRoundingMultiplyByPOT to the left."""
    return min(max(x << bits, -(2**31)), INT32_MAX)
