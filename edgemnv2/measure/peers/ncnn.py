"""ncnn on a `.param` file with its `.bin` beside."""

from __future__ import annotations

from pathlib import Path

import ncnn
import numpy as np

from edgemnv2.errors import UsageError

__all__ = ["Ncnn"]


class Ncnn:
    """One net; see `Peer`. The input takes its size from the first `Input` line."""

    name = "ncnn"

    def __init__(self, model: Path, threads: int, seed: int) -> None:
        self.version = str(ncnn.__version__)
        self._net = ncnn.Net()
        self._net.opt.num_threads = threads
        if self._net.load_param(str(model)) or self._net.load_model(str(model.with_suffix(".bin"))):
            raise UsageError(f"--model {model}: ncnn cannot load it and its .bin")
        self._input, shape = _input_of(model)
        self._output = self._net.output_names()[0]
        x = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
        self._x = ncnn.Mat(x).clone()

    def infer(self) -> None:
        """One inference."""
        extractor = self._net.create_extractor()
        extractor.input(self._input, self._x)
        extractor.extract(self._output)


def _input_of(model: Path) -> tuple[str, tuple[int, int, int]]:
    """Name and `(C, H, W)` of the first input in the text `.param` file."""
    for line in model.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words and words[0] == "Input":
            sizes = dict(word.split("=") for word in words[5:] if "=" in word)
            if {"0", "1", "2"} <= sizes.keys():
                return words[4], (int(sizes["2"]), int(sizes["1"]), int(sizes["0"]))
            break
    raise UsageError(f"--model {model}: its Input line has no fixed size (0=W 1=H 2=C)")
