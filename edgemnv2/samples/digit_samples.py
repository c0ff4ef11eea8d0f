"""The held-out images of the built-in `digits` as inputs: labelled samples without a download."""

from __future__ import annotations

import numpy as np
from PIL import Image

from edgemnv2.ops.graph import Tensor
from edgemnv2.samples.images import Samples, check_limit, preprocess

__all__ = ["heldout_digits", "is_digits"]

NAMES = ("digits", "digits-int8")


def is_digits(source: str) -> bool:
    """Whether a network's `source` is one of the built-in digits models."""
    return source in NAMES


def heldout_digits(tensor: Tensor, preset: str, *, limit: int | None = None) -> Samples:
    """The first `limit` (None: all 360) held-out digits as inputs for `tensor`, with labels."""
    from edgemnv2.samples import digits

    check_limit(limit)
    images, labels = digits.heldout()
    x = [preprocess(Image.fromarray(image[..., 0]), tensor, preset) for image in images[:limit]]
    names = tuple(f"heldout_{index:03d}" for index in range(len(x)))
    return Samples(np.stack(x), names, labels[:limit], preset)
