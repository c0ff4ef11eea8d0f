"""LiteRT with its default kernels (XNNPACK)."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgemnv2.benchmark.engines.engine import fit_sample
from edgemnv2.errors import UsageError

__all__ = ["LiteRT"]

Array = NDArray[Any]


class LiteRT:
    """One interpreter; see `Peer`."""

    name = "litert"

    def __init__(self, model: Path, threads: int, sample: Array) -> None:
        self.version = importlib.metadata.version("ai-edge-litert")
        try:
            self._interpreter = Interpreter(model_path=str(model), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UsageError(f"model={model}: LiteRT cannot load it ({reason})") from error
        entry = self._interpreter.get_input_details()[0]
        x = fit_sample(sample, tuple(entry["shape"]), np.dtype(entry["dtype"]), nchw=False)
        self._interpreter.set_tensor(entry["index"], x)
        self._output = self._interpreter.get_output_details()[0]

    def infer(self) -> None:
        """One inference."""
        self._interpreter.invoke()

    def output(self) -> Array:
        """See `Peer.output`."""
        stored: Array = self._interpreter.get_tensor(self._output["index"]).reshape(-1)
        scale, zero_point = self._output["quantization"]
        if not np.issubdtype(stored.dtype, np.integer):
            return stored
        real: Array = (stored.astype(np.float64) - zero_point) * scale
        return real
