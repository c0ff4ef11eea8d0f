"""The paper's cost formulas, in multiply-adds, for h x w pixels (its sections 3.1 and 3.3).

They hold for stride 1; a strided block costs less behind its depthwise convolution, and
`bottleneck_exact` counts that.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "bottleneck",
    "bottleneck_exact",
    "depthwise_separable",
    "examples",
    "standard_convolution",
]


def standard_convolution(h: int, w: int, d_in: int, d_out: int, k: int = 3) -> int:
    """`h * w * d_in * d_out * k * k`."""
    return h * w * d_in * d_out * k * k


def depthwise_separable(h: int, w: int, d_in: int, d_out: int, k: int = 3) -> int:
    """`h * w * d_in * (k * k + d_out)`: a depthwise k x k and a pointwise convolution."""
    return h * w * d_in * (k * k + d_out)


def bottleneck(h: int, w: int, d_in: int, d_out: int, t: float, k: int = 3) -> int:
    """`h * w * d_in * t * (d_in + k * k + d_out)`: expand, depthwise, project; t * d_in whole."""
    inner = round(d_in * t)
    return h * w * inner * (d_in + k * k + d_out)


def bottleneck_exact(
    h: int, w: int, d_in: int, d_out: int, t: float, stride: int = 1, k: int = 3
) -> int:
    """The same with the depthwise and the projection at the strided size, without expand at t = 1.

    What the layers of a real network add up to.
    """
    inner = round(d_in * t)
    behind = -(-h // stride) * -(-w // stride)
    expand = 0 if t == 1 else h * w * d_in * inner
    return expand + behind * inner * (k * k + d_out)


_READINGS = (
    (6, "expansion: the inverted residual of the paper"),
    (1, "no expansion: a depthwise-separable convolution with a linear end (first block)"),
    (0.5, "t < 1: the classical residual bottleneck, narrow inside, wide at its ends"),
    (0, "t = 0: nothing inside, the block is its shortcut: the identity, for nothing"),
)


def examples(size: int = 56, d_in: int = 24, d_out: int = 24) -> dict[str, Any]:
    """The formulas at one place of the network, and over the paper's readings of t."""
    standard = standard_convolution(size, size, d_in, d_out)
    separable = depthwise_separable(size, size, d_in, d_out)
    return {
        "size": size,
        "channels_in": d_in,
        "channels_out": d_out,
        "kernel": 3,
        "standard_convolution": standard,
        "depthwise_separable": separable,
        "saving": standard / separable,
        "savings": [
            {"channels": d, "saving": standard_convolution(1, 1, d, d) / (9 + d) / d}
            for d in (24, 64, 160, 512, 1024)
        ],
        "bottlenecks": [
            {
                "t": t,
                "inner_channels": round(d_in * t),
                "formula": bottleneck(size, size, d_in, d_out, t),
                "exact": bottleneck_exact(size, size, d_in, d_out, t),
                "reading": reading,
            }
            for t, reading in _READINGS
        ],
        "formulas": {
            "standard_convolution": "h w di dj k^2",
            "depthwise_separable": "h w di (k^2 + dj)",
            "bottleneck": "h w d' t (d' + k^2 + d'')",
        },
    }
