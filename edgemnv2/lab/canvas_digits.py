"""The digits and canvases that the networks of `train_canvas_networks` are trained on."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

from edgemnv2.lab.train_digits import distorted, normalise
from edgemnv2.samples import digits
from edgemnv2.samples.canvases import Canvas, canvas

__all__ = ["CLASSES", "epoch_canvases", "training_digits"]

CLASSES = 10
CANVASES_A_DISTORTION = 256
MOST_OF_ANOTHER, PEN, BEND = 0.5, 0.4, 0.12
"""How far `in_other_hands` goes: the other digit's share, the logarithm of the power of the ink,
and shifts in halves of the digit's field."""


def training_digits() -> tuple[Tensor, np.ndarray]:
    """The digits of the training part: `[N, 1, 32, 32]`, and classes."""
    data = load_digits()
    count = digits.TRAINING_COUNT
    sprites = normalise(digits.enlarge(data.images[:count].astype(np.uint8)))
    return sprites, data.target[:count].astype(np.int64)


def epoch_canvases(sprites: Tensor, labels: np.ndarray, first: int, count: int) -> list[Canvas]:
    """Fresh canvases of freshly distorted digits."""
    made: list[Canvas] = []
    while len(made) < count:
        moved = distorted(in_other_hands(sprites, labels))
        grey = ((moved[:, 0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
        seeds = range(first + len(made), first + min(count, len(made) + CANVASES_A_DISTORTION))
        made += [canvas(grey, labels, seed) for seed in seeds]
    return made


def in_other_hands(sprites: Tensor, labels: np.ndarray) -> Tensor:
    """Digits as others might write them: between two of a class, bent, with another pen.

    What the network does not know of the held-out digits is their writers.
    """
    count = len(sprites)
    other = torch.arange(count)
    for digit in range(CLASSES):
        (own,) = np.nonzero(labels == digit)
        other[own] = torch.from_numpy(own)[torch.randperm(len(own))]
    share = torch.rand(count, 1, 1, 1) * MOST_OF_ANOTHER
    share *= torch.rand(count, 1, 1, 1) < 0.5
    ink = (sprites * (1 - share) + sprites[other] * share + 1) / 2
    ink = ink ** torch.exp((torch.rand(count, 1, 1, 1) * 2 - 1) * PEN)
    # A few random shifts across the digit, smooth between them.
    shifts = functional.interpolate(
        (torch.rand(count, 2, 4, 4) * 2 - 1) * BEND, sprites.shape[2:], mode="bicubic"
    )
    grid = functional.affine_grid(torch.eye(2, 3).expand(count, 2, 3), list(ink.shape), False)
    bent = functional.grid_sample(ink, grid + shifts.permute(0, 2, 3, 1), align_corners=False)
    return bent * 2 - 1
