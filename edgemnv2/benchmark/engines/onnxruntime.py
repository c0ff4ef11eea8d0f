"""onnxruntime's CPU provider, all graph optimisations on.

Its threads spin within an inference, as they do by default, but not behind it
(`session.force_spinning_stop`): there they would take the cores from the other engines.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgemnv2.benchmark.engines.engine import fit_sample
from edgemnv2.errors import UsageError

__all__ = ["OnnxRuntime"]

Array = NDArray[Any]
TYPES = {"tensor(float)": "float32", "tensor(int8)": "int8", "tensor(uint8)": "uint8"}


class OnnxRuntime:
    """One session; see `Peer`."""

    name = "onnxruntime"

    def __init__(self, model: Path, threads: int, sample: Array) -> None:
        self.version = str(onnxruntime.__version__)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        # Its exceptions are classes of a compiled module, with no common base but this.
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise UsageError(f"model={model}: onnxruntime cannot load it ({reason})") from error
        entry = self._session.get_inputs()[0]
        if entry.type not in TYPES:
            raise UsageError(
                f"model={model}: its input is a {entry.type} (must be one of {', '.join(TYPES)})"
            )
        shape = [size if isinstance(size, int) else 1 for size in entry.shape]
        x = fit_sample(sample, shape, np.dtype(TYPES[entry.type]), nchw=True)
        # Bound once, so that no copy of ours is in its time.
        self._binding = self._session.io_binding()
        self._binding.bind_cpu_input(entry.name, x)
        for output in self._session.get_outputs():
            self._binding.bind_output(output.name)

    def infer(self) -> None:
        """One inference."""
        self._session.run_with_iobinding(self._binding)

    def output(self) -> Array:
        """See `Peer.output`; an integer output is stored values, since no scale comes with it."""
        values: Array = self._binding.copy_outputs_to_cpu()[0]
        return (values.transpose(0, 2, 3, 1) if values.ndim == 4 else values).reshape(-1)
