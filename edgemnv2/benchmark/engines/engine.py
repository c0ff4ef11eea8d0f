"""What every other engine is asked for: one inference, and its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Peer", "fit_sample", "fit_samples"]

Array = NDArray[Any]


class Peer(Protocol):
    """An engine with one model loaded and its inputs set."""

    name: str
    version: str

    def infer(self) -> None:
        """One inference, nothing else."""
        ...

    def outputs(self) -> list[Array]:
        """Real values of the last inference: each output in the file's order, flat, NHWC."""
        ...


def fit_samples(
    samples: Mapping[str, Array],
    inputs: Sequence[tuple[str, Sequence[int], np.dtype[Any]]],
    *,
    nchw: bool,
) -> list[Array]:
    """One array for each of an engine's `inputs` (name, shape, type), made by `fit_sample`.

    The sample of that name, else the next one that no input asks for by name.
    """
    named = {name for name, _, _ in inputs}
    others = [x for name, x in samples.items() if name not in named]
    fallback = next(iter(samples.values()))
    return [
        fit_sample(
            samples[name] if name in samples else others.pop(0) if others else fallback,
            shape,
            dtype,
            nchw=nchw,
        )
        for name, shape, dtype in inputs
    ]


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
