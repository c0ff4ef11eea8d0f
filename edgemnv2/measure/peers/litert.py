"""LiteRT with its default kernels (XNNPACK)."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

__all__ = ["LiteRT"]


class LiteRT:
    """One interpreter; see `Peer`."""

    name = "litert"

    def __init__(self, model: Path, threads: int, seed: int) -> None:
        self.version = importlib.metadata.version("ai-edge-litert")
        self._interpreter = Interpreter(model_path=str(model), num_threads=threads)
        self._interpreter.allocate_tensors()
        entry = self._interpreter.get_input_details()[0]
        random = np.random.default_rng(seed)
        if np.issubdtype(entry["dtype"], np.integer):
            limits = np.iinfo(entry["dtype"])
            x = random.integers(
                limits.min, limits.max, entry["shape"], dtype=entry["dtype"], endpoint=True
            )
        else:
            x = random.standard_normal(entry["shape"]).astype(entry["dtype"])
        self._interpreter.set_tensor(entry["index"], x)

    def infer(self) -> None:
        """One inference."""
        self._interpreter.invoke()
