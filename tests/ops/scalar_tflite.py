"""TFLite's integer kernels as scalar Python, written from the C++ line by line, slow and plain.

An independent second reading: nothing here is shared with the package.
"""

from __future__ import annotations

INT32_MAX = 2**31 - 1


def to_int32(x: int) -> int:
    return (x + 2**31) % 2**32 - 2**31


def c_divide(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a >= 0) == (b >= 0) else -quotient


def high_mul(a: int, b: int) -> int:
    if a == b == -(2**31):
        return INT32_MAX
    product = a * b
    nudge = 1 << 30 if product >= 0 else 1 - (1 << 30)
    return c_divide(product + nudge, 1 << 31)


def divide_by_pot(x: int, exponent: int) -> int:
    mask = (1 << exponent) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if remainder > threshold else 0)


def scaled(x: int, multiplier: int, shift: int) -> int:
    """MultiplyByQuantizedMultiplier."""
    left, right = max(shift, 0), max(-shift, 0)
    return divide_by_pot(high_mul(to_int32(x * (1 << left)), multiplier), right)


def scaled_once(x: int, multiplier: int, shift: int) -> int:
    """round(x * multiplier * 2**(shift - 31)), halves away from zero."""
    product, divisor = x * multiplier, 1 << (31 - shift)
    magnitude = (2 * abs(product) + divisor) // (2 * divisor)
    return magnitude if product >= 0 else -magnitude


def clip(x: int, low: int, high: int) -> int:
    return max(low, min(high, x))


def saturating_shift_left(x: int, bits: int) -> int:
    return clip(x << bits, -(2**31), INT32_MAX)


def exp_between_minus_quarter_and_0(a: int) -> int:
    constant_term, third = 1895147668, 715827883
    x = a + (1 << 28)
    x2 = high_mul(x, x)
    x3 = high_mul(x2, x)
    x4 = high_mul(x2, x2)
    x4_over_4 = divide_by_pot(x4, 2)
    inner = divide_by_pot(high_mul(x4_over_4 + x3, third) + x2, 1)
    return constant_term + high_mul(constant_term, x + inner)


def exp_on_negative_values(a: int) -> int:
    """Q5.26 -> Q0.31."""
    if a == 0:
        return INT32_MAX
    quarter = 1 << 24
    a_mod = (a & (quarter - 1)) - quarter
    result = exp_between_minus_quarter_and_0(saturating_shift_left(a_mod, 5))
    remainder = a_mod - a
    for exponent, multiplier in (
        (-2, 1672461947),
        (-1, 1302514674),
        (0, 790015084),
        (1, 290630308),
        (2, 39332535),
        (3, 720401),
        (4, 242),
    ):
        if remainder & (1 << (26 + exponent)):
            result = high_mul(result, multiplier)
    return result


def reciprocal(x: int, integer_digits: int) -> tuple[int, int]:
    headroom_plus_one = 32 - x.bit_length()
    shifted = to_int32((x << headroom_plus_one) - (1 << 31))
    total = shifted + INT32_MAX
    half_denominator = c_divide(total + (1 if total >= 0 else -1), 2)
    y = 1515870810 + high_mul(half_denominator, -1010580540)
    for _ in range(3):
        residue = (1 << 29) - high_mul(half_denominator, y)
        y += saturating_shift_left(high_mul(y, residue), 2)
    return saturating_shift_left(y, 1), integer_digits - headroom_plus_one


def softmax(row: list[int], scale: float, low: int, high: int, quantize_multiplier) -> list[int]:
    """One row, beta = 1. `quantize_multiplier` turns a real into (multiplier, shift)."""
    real = min(scale * (1 << 26), float(INT32_MAX))
    multiplier, left_shift = quantize_multiplier(real)
    diff_min = -int(31.0 * (1 << 26) / (1 << left_shift))
    top = max(row)

    def exponential(value: int) -> int:
        return exp_on_negative_values(high_mul((value - top) * (1 << left_shift), multiplier))

    total = 0
    for value in row:
        if value - top >= diff_min:
            total += divide_by_pot(exponential(value), 12)
    factor, bits_over_unit = reciprocal(total, 12)
    out = []
    for value in row:
        if value - top >= diff_min:
            raw = high_mul(factor, exponential(value))
            out.append(clip(divide_by_pot(raw, bits_over_unit + 31 - 8) + low, low, high))
        else:
            out.append(low)
    return out


def convolution(x, weight, bias, stride, padding, zx, zy, clamp, factors, once=False):
    """`x` [H][W][C] nested lists; `weight` indexed [ky, kx, c, o]; gives {(oy, ox, o): value}."""
    height, width, depth = len(x), len(x[0]), len(x[0][0])
    kh, kw, _, cout = weight.shape
    top, left, bottom, right = padding
    rescale = scaled_once if once else scaled
    out = {}
    for oy in range((height + top + bottom - kh) // stride[0] + 1):
        for ox in range((width + left + right - kw) // stride[1] + 1):
            for o in range(cout):
                acc = int(bias[o])
                for ky in range(kh):
                    for kx in range(kw):
                        iy, ix = oy * stride[0] + ky - top, ox * stride[1] + kx - left
                        if 0 <= iy < height and 0 <= ix < width:
                            for c in range(depth):
                                acc += (x[iy][ix][c] - zx) * int(weight[ky, kx, c, o])
                multiplier, shift = factors[o]
                value = rescale(to_int32(acc), multiplier, shift) + zy
                out[oy, ox, o] = clip(value, *clamp)
    return out
