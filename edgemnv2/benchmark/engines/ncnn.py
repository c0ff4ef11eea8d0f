"""ncnn on a `.param` file with its `.bin` beside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from edgemnv2.benchmark.engines.engine import fit_samples
from edgemnv2.errors import UsageError

__all__ = ["Ncnn"]

Array = NDArray[Any]


class Ncnn:
    """One net; see `Peer`. The inputs take their sizes from the `Input` lines."""

    name = "ncnn"

    def __init__(self, model: Path, threads: int, samples: Mapping[str, Array]) -> None:
        self.version = str(ncnn.__version__)
        weights = model.with_suffix(".bin")
        if not weights.is_file():
            raise UsageError(f"model={model}: {weights.name} is not beside it")
        inputs = _inputs_of(model)
        self._net = ncnn.Net()
        self._net.opt.num_threads = threads
        # By default it stores and computes in half precision where the processor can.
        for kind in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
            setattr(self._net.opt, f"use_{kind}", False)
        if self._net.load_param(str(model)) or self._net.load_model(str(weights)):
            raise UsageError(f"model={model}: ncnn cannot load it and its .bin")
        self._names = tuple(self._net.output_names())
        wanted = [(name, (1, *shape), np.dtype(np.float32)) for name, shape in inputs]
        arrays = fit_samples(samples, wanted, nchw=True)
        self._x = {
            name: ncnn.Mat(np.ascontiguousarray(x[0])).clone()
            for (name, _), x in zip(inputs, arrays, strict=True)
        }
        self._y: list[Any] = []

    def infer(self) -> None:
        """One inference."""
        extractor = self._net.create_extractor()
        for name, x in self._x.items():
            extractor.input(name, x)
        self._y = [extractor.extract(name)[1] for name in self._names]

    def outputs(self) -> list[Array]:
        """See `Peer.outputs`."""
        arrays = [np.array(y) for y in self._y]
        return [(y.transpose(1, 2, 0) if y.ndim == 3 else y).reshape(-1) for y in arrays]


def _inputs_of(model: Path) -> list[tuple[str, tuple[int, int, int]]]:
    """Name and `(C, H, W)` of each input in the text `.param` file."""
    try:
        lines = model.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"model={model}: not a text .param file") from error
    inputs = [words for line in lines if (words := line.split())[:1] == ["Input"]]
    found = []
    for words in inputs:
        sizes = dict(word.split("=") for word in words[5:] if "=" in word)
        if {"0", "1", "2"} <= sizes.keys():
            found.append((words[4], (int(sizes["2"]), int(sizes["1"]), int(sizes["0"]))))
    if not found or len(found) < len(inputs):
        raise UsageError(f"model={model}: its Input line has no fixed size (0=W 1=H 2=C)")
    return found
