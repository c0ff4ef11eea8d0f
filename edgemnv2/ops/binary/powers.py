"""Powers with a constant exponent, as both formats write them: squares, products, square roots."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, SourceTensor

__all__ = ["add_power"]

MOST_POWER = 8
"""As products; higher ones overflow what networks have."""


def add_power(
    flow: FlowBuilder, x: str | Constant, exponent: str | Constant, output: SourceTensor
) -> None:
    """`output` is float `x` to the power of a constant.

    Raises Refusal unless that is one whole number from -8 to 8, or such a one and a half.
    """
    if not isinstance(exponent, Constant) or exponent.values.size != 1:
        raise Refusal("an exponent of several values", "write it as products")
    wanted = float(exponent.real().reshape(-1)[0])
    whole, half = divmod(abs(wanted), 1.0)
    if half not in (0.0, 0.5) or whole > MOST_POWER or wanted == 0:
        raise Refusal(f"exponent {wanted}", "write it as products, or with Exp and Log")
    factors: list[str | Constant] = [flow.step("sqrt", x, output)] if half else []
    base, left = x, int(whole)
    while left:
        factors += [base] if left % 2 else []
        left //= 2
        base = flow.step("square", base, output) if left else base
    product = factors[0]
    for factor in factors[1:]:
        product = flow.add("multiply", [product, factor], flow.fresh(output))
    if wanted > 0:
        flow.alias(output, product)
        return
    flow.move("divide", [Constant(np.array(1.0, np.float32)), product], output)
