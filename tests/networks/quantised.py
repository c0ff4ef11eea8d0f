"""Random quantised operands for networks of one operator."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["limits_of", "random_scale", "random_zero_point"]


def limits_of(dtype: str) -> tuple[int, int]:
    """Lowest and highest value of an integer type."""
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def random_zero_point(random: Any, dtype: str) -> int:
    """One end of the type, the other, or anything between."""
    low, high = limits_of(dtype)
    return int(random.choice([low, high, random.integers(low, high + 1)]))


def random_scale(random: Any, low: float = -3.0, high: float = 0.0) -> float:
    """A scale between powers of ten."""
    return float(np.float32(10.0 ** random.uniform(low, high)))
