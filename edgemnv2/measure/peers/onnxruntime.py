"""onnxruntime's CPU provider, all graph optimisations on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

__all__ = ["OnnxRuntime"]

TYPES = {"tensor(float)": "float32", "tensor(int8)": "int8", "tensor(uint8)": "uint8"}


class OnnxRuntime:
    """One session; see `Peer`."""

    name = "onnxruntime"

    def __init__(self, model: Path, threads: int, seed: int) -> None:
        self.version = str(onnxruntime.__version__)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        entry = self._session.get_inputs()[0]
        shape = [size if isinstance(size, int) else 1 for size in entry.shape]
        dtype = np.dtype(TYPES[entry.type])
        random = np.random.default_rng(seed)
        if np.issubdtype(dtype, np.integer):
            limits = np.iinfo(dtype)
            x = random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
        else:
            x = random.standard_normal(shape).astype(dtype)
        # Bound once, so that no copy of ours is in its time.
        self._binding = self._session.io_binding()
        self._binding.bind_cpu_input(entry.name, x)
        for output in self._session.get_outputs():
            self._binding.bind_output(output.name)

    def infer(self) -> None:
        """One inference."""
        self._session.run_with_iobinding(self._binding)
