"""TFLite's fixed-point arithmetic on single Python integers: for tables made in advance.

Sources: gemmlowp `fixedpoint/fixedpoint.h`, TFLite `kernels/internal/common.h`.
"""

from __future__ import annotations

__all__ = [
    "divide_by_pot",
    "high_mul",
    "inverse_root",
    "logarithm",
    "scaled",
    "wrapped",
]

INT32_MAX = 2**31 - 1
LOG_2, HALF_ROOT, FOURTH_ROOT = 1488522236, 1518500250, 1805811301
"""log(2), sqrt(1/2), the fourth root of 1/2, in Q0.31."""
ALPHA_N, ALPHA_D, ALPHA_I, ALPHA_F = 117049297, 127690142, 1057819769, 638450708


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
    root = high_mul(root, HALF_ROOT)
    if shift < 0:
        root, shift = root << -shift, 0
    return root, -shift


def _rescaled(x: int, bits: int) -> int:
    """SaturatingRoundingMultiplyByPOT to the left."""
    return min(max(x << bits, -(2**31)), INT32_MAX)


def logarithm(x: int, integer_bits: int) -> int:
    """TFLite's log_x_for_x_greater_than_or_equal_to_1, in Q5.26, of a sum with `integer_bits`."""
    zeros = 32 - x.bit_length()
    a = high_mul(x << (zeros - 1), HALF_ROOT)
    a = min(a << 1, INT32_MAX)
    power_a = ((integer_bits - zeros) << 25) + (1 << 23)
    headroom = 32 - high_mul(x, HALF_ROOT).bit_length() - 1
    b = min(x << headroom, INT32_MAX)
    power_b = ((integer_bits - headroom) << 25) - (1 << 23)
    r, power = min(a, b), max(power_a, power_b)
    p = (r + FOURTH_ROOT + 1) >> 1
    q = 2 * (r - FOURTH_ROOT)
    square = high_mul(q, q)
    above = high_mul(q, r) + high_mul(high_mul(q, square), ALPHA_N)
    below = high_mul(p, ALPHA_I + q + high_mul(ALPHA_D, square)) + high_mul(ALPHA_F, q)
    ratio = high_mul(divide_by_pot(above, 6), _one_over_one_plus(below))
    return _rescaled(high_mul(power, LOG_2) + ratio, 1)


def _one_over_one_plus(x: int) -> int:
    """gemmlowp's one_over_one_plus_x_for_x_in_0_1, Q0.31."""
    half = (x + INT32_MAX + 1) >> 1
    guess = 1515870810 + high_mul(half, -1010580540)
    for _ in range(3):
        guess += _rescaled(high_mul(guess, (1 << 29) - high_mul(half, guess)), 2)
    return _rescaled(guess, 1)
