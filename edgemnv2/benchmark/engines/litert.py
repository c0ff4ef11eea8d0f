"""LiteRT with its default kernels (XNNPACK)."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgemnv2.benchmark.engines.engine import fit_samples
from edgemnv2.errors import UsageError

__all__ = ["LiteRT"]

Array = NDArray[Any]


class LiteRT:
    """One interpreter; see `Peer`."""

    name = "litert"

    def __init__(self, model: Path, threads: int, samples: Mapping[str, Array]) -> None:
        self.version = importlib.metadata.version("ai-edge-litert")
        try:
            self._interpreter = Interpreter(model_path=str(model), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UsageError(f"model={model}: LiteRT cannot load it ({reason})") from error
        entries = self._interpreter.get_input_details()
        inputs = [(x["name"], tuple(x["shape"]), np.dtype(x["dtype"])) for x in entries]
        for entry, x in zip(entries, fit_samples(samples, inputs, nchw=False), strict=True):
            self._interpreter.set_tensor(entry["index"], x)
        self._outputs = self._interpreter.get_output_details()

    def infer(self) -> None:
        """One inference."""
        self._interpreter.invoke()

    def outputs(self) -> list[Array]:
        """See `Peer.outputs`."""
        return [self._real_values(entry) for entry in self._outputs]

    def _real_values(self, entry: Mapping[str, Any]) -> Array:
        stored: Array = self._interpreter.get_tensor(entry["index"]).reshape(-1)
        scale, zero_point = entry["quantization"]
        # Numbers of classes are integers without a scale.
        if not np.issubdtype(stored.dtype, np.integer) or not scale:
            return stored
        real: Array = (stored.astype(np.float64) - zero_point) * scale
        return real
