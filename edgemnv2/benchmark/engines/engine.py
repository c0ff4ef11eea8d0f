"""What every other engine is asked for: one inference, and its output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Peer", "fit_sample"]

Array = NDArray[Any]


class Peer(Protocol):
    """An engine with one model loaded and its input set."""

    name: str
    version: str

    def infer(self) -> None:
        """One inference, nothing else."""
        ...

    def output(self) -> Array:
        """Real values of the last inference's first output, flat, in NHWC order."""
        ...


def fit_sample(sample: Array, shape: Sequence[int], dtype: np.dtype[Any], *, nchw: bool) -> Array:
    """`sample` in an engine's own shape and type; a random input where it does not fit.

    int8 and uint8 are the same numbers, 128 apart.
    """
    mine = sample.transpose(0, 3, 1, 2) if nchw else sample
    # Some files take NHWC where the engine's own layout is NCHW.
    for x in (mine, sample):
        if tuple(x.shape) != tuple(shape):
            continue
        if x.dtype == dtype:
            return np.ascontiguousarray(x)
        if {x.dtype, dtype} == {np.dtype("int8"), np.dtype("uint8")}:
            return np.ascontiguousarray((x.view(np.uint8) ^ 0x80).view(dtype))
    random = np.random.default_rng(0)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    return random.standard_normal(shape).astype(dtype)
