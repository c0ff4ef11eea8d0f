"""ncnn on a `.param` file with its `.bin` beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from edgemnv2.benchmark.engines.engine import fit_sample
from edgemnv2.errors import UsageError

__all__ = ["Ncnn"]

Array = NDArray[Any]


class Ncnn:
    """One net; see `Peer`. The input takes its size from the first `Input` line."""

    name = "ncnn"

    def __init__(self, model: Path, threads: int, sample: Array) -> None:
        self.version = str(ncnn.__version__)
        weights = model.with_suffix(".bin")
        if not weights.is_file():
            raise UsageError(f"model={model}: {weights.name} is not beside it")
        self._input, shape = _input_of(model)
        self._net = ncnn.Net()
        self._net.opt.num_threads = threads
        # By default it stores and computes in half precision where the processor can.
        for kind in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
            setattr(self._net.opt, f"use_{kind}", False)
        if self._net.load_param(str(model)) or self._net.load_model(str(weights)):
            raise UsageError(f"model={model}: ncnn cannot load it and its .bin")
        self._output = self._net.output_names()[0]
        x = fit_sample(sample, (1, *shape), np.dtype(np.float32), nchw=True)
        self._x = ncnn.Mat(np.ascontiguousarray(x[0])).clone()
        self._y: Any = None

    def infer(self) -> None:
        """One inference."""
        extractor = self._net.create_extractor()
        extractor.input(self._input, self._x)
        _, self._y = extractor.extract(self._output)

    def output(self) -> Array:
        """See `Peer.output`."""
        values: Array = np.array(self._y)
        return (values.transpose(1, 2, 0) if values.ndim == 3 else values).reshape(-1)


def _input_of(model: Path) -> tuple[str, tuple[int, int, int]]:
    """Name and `(C, H, W)` of the first input in the text `.param` file."""
    try:
        lines = model.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"model={model}: not a text .param file") from error
    for line in lines:
        words = line.split()
        if words and words[0] == "Input":
            sizes = dict(word.split("=") for word in words[5:] if "=" in word)
            if {"0", "1", "2"} <= sizes.keys():
                return words[4], (int(sizes["2"]), int(sizes["1"]), int(sizes["0"]))
            break
    raise UsageError(f"model={model}: its Input line has no fixed size (0=W 1=H 2=C)")
