"""What random TFLite networks are built with: live tensors, drawing, the table of operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.networks.tflite_net import TfliteNet

__all__ = ["CHANNELS", "MOST_ELEMENTS", "OPERATORS", "Builder", "Live", "RandomNet", "operator"]

CHANNELS = (1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 24, 45, 50)
MOST_ELEMENTS = 6000
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}


@dataclass(frozen=True)
class Live:
    """A tensor of the network: its number, shape `[1, ...]`, scale and zero point."""

    number: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int

    @property
    def is_map(self) -> bool:
        return len(self.shape) == 4


@dataclass
class RandomNet:
    """The file, its input, and the cells of the vocabulary that it holds."""

    blob: bytes
    shape: tuple[int, ...]
    dtype: str
    used: set[str]
    suffix: str = ".tflite"


class Builder:
    """One network under construction."""

    def __init__(self, seed: int, dtype: str) -> None:
        self.random = np.random.default_rng(seed)
        self.dtype = dtype
        self.net = TfliteNet()
        self.live: list[Live] = []
        self.used: set[str] = set()

    # -- drawing ---------------------------------------------------------------------------------

    def pick(self, *values: Any, p: Any = None) -> Any:
        return values[int(self.random.choice(len(values), p=p))]

    def integer(self, low: int, high: int) -> int:
        """Both ends included."""
        return int(self.random.integers(low, high, endpoint=True))

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    @property
    def quantised(self) -> bool:
        return self.dtype != "float32"

    def zero_point(self) -> int:
        if not self.quantised:
            return 0
        limits = np.iinfo(self.dtype)
        middle = 0 if self.dtype == "int8" else 128
        return int(self.pick(limits.min, limits.max, middle, self.integer(limits.min, limits.max)))

    def scale(self, low: float = -3.5, high: float = 1.0) -> float:
        return float(10 ** self.random.uniform(low, high))

    # -- tensors ---------------------------------------------------------------------------------

    def tensor(self, shape: Any, scale: float | None = None, zero: int | None = None) -> Live:
        shape = tuple(int(x) for x in shape)
        scale = self.scale() if scale is None else max(scale, 1e-7)
        zero = self.zero_point() if zero is None else zero
        number = self.net.tensor(shape, self.dtype, scale if self.quantised else None, zero)
        return Live(number, shape, scale, zero)

    def like(self, x: Live, shape: Any = None) -> Live:
        """A tensor of the quantisation of `x`."""
        return self.tensor(x.shape if shape is None else shape, x.scale, x.zero_point)

    def ints(self, values: Any) -> int:
        return self.net.constant(np.asarray(values, np.int32))

    def weights(self, shape: Any, outer: int, axis: int) -> tuple[int, np.ndarray]:
        """A constant, and its scale (one, or one per output channel)."""
        if not self.quantised:
            values = self.random.normal(size=shape).astype(np.float32) * 0.3
            return self.net.constant(values), np.ones(1)
        if self.dtype == "uint8":
            scale, zero = np.array([self.scale(-3, -1.5)]), self.integer(100, 160)
            values = self.random.integers(0, 256, shape).astype(np.uint8)
            return self.net.constant(values, scale=scale, zero_point=zero), scale
        values = self.random.integers(-127, 128, shape).astype(np.int8)
        if self.chance(0.25):
            scale = np.array([self.scale(-3, -1.5)])
            # LiteRT ignores the dimension of a single scale.
            return self.net.constant(values, scale=scale, axis=self.pick(0, axis)), scale
        scale = 10 ** self.random.uniform(-3, -1.5, outer)
        if self.chance(0.3):
            scale[self.random.integers(outer)] = 10 ** self.random.uniform(-12, -7)
        return self.net.constant(values, scale=scale, axis=axis), scale

    def bias(self, x: Live, scale: np.ndarray, outer: int) -> int:
        if self.chance(0.1):
            return -1
        if not self.quantised:
            return self.net.constant(self.random.normal(size=outer).astype(np.float32))
        values = self.random.integers(-3000, 3000, outer).astype(np.int32)
        return self.net.constant(values, scale=x.scale * scale)

    def product_scale(self, x: Live, scale: np.ndarray, depth: int) -> float:
        """Plausible for sums of `depth` products."""
        spread = 10 ** self.random.uniform(-0.5, 0.5)
        return float(x.scale * np.median(scale) * 45 * np.sqrt(depth) * spread)

    def activation(self, cell: str) -> int:
        name = self.pick(*ACTIVATIONS, p=[0.55, 0.15, 0.1, 0.2])
        self.use(f"{cell} fused {name}")
        return ACTIVATIONS[name]

    def use(self, cell: str) -> None:
        self.used.add(f"{cell} {self.dtype}")


Operator = Callable[[Builder, Live], Live | None]
"""None: it does not suit the tensor."""
OPERATORS: dict[str, Operator] = {}


def operator(function: Operator) -> Operator:
    OPERATORS[function.__name__] = function
    return function
