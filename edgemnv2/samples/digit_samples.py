"""Held-out images of the built-in trained networks as inputs: samples without a download."""

from __future__ import annotations

import numpy as np
from PIL import Image

from edgemnv2.ops.graph import Tensor
from edgemnv2.samples.images import Samples, check_limit, preprocess

__all__ = ["CANVASES", "has_heldout", "heldout_samples"]

DIGITS = ("digits", "digits-int8")
CANVASES = (
    "digits-detector",
    "digits-detector-int8",
    "digits-segmenter",
    "digits-segmenter-int8",
)


def has_heldout(source: str) -> bool:
    """Whether a network's `source` is one of the built-in trained networks."""
    return source in (*DIGITS, *CANVASES)


def heldout_samples(
    source: str, tensor: Tensor, preset: str, *, limit: int | None = None
) -> Samples:
    """The first `limit` held-out images of the network `source` as inputs for `tensor`.

    None: all 360 digits, with labels; or 100 canvases with digits on them.
    """
    check_limit(limit)
    if source in CANVASES:
        return _canvases(tensor, preset, limit)
    from edgemnv2.samples import digits

    images, labels = digits.heldout()
    x = [preprocess(Image.fromarray(image[..., 0]), tensor, preset) for image in images[:limit]]
    names = tuple(f"heldout_{index:03d}" for index in range(len(x)))
    return Samples(np.stack(x), names, labels[:limit], preset)


def _canvases(tensor: Tensor, preset: str, limit: int | None) -> Samples:
    from edgemnv2.samples import canvases

    made = canvases.heldout_canvases(canvases.HELDOUT if limit is None else limit)
    x = [preprocess(Image.fromarray(one.pixels), tensor, preset) for one in made]
    return Samples(np.stack(x), tuple(f"canvas_{i:03d}" for i in range(len(x))), None, preset)
