"""onnxruntime's CPU provider, all graph optimisations on.

Its threads spin within an inference, as they do by default, but not behind it
(`session.force_spinning_stop`): there they would take the cores from the other engines.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgemnv2.benchmark.engines.engine import fit_samples
from edgemnv2.errors import UsageError

__all__ = ["OnnxRuntime"]

Array = NDArray[Any]
TYPES = {"tensor(float)": "float32", "tensor(int8)": "int8", "tensor(uint8)": "uint8"}


class OnnxRuntime:
    """One session; see `Peer`."""

    name = "onnxruntime"

    def __init__(self, model: Path, threads: int, samples: Mapping[str, Array]) -> None:
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
        wanted = []
        for entry in self._session.get_inputs():
            if entry.type not in TYPES:
                raise UsageError(
                    f"model={model}: its input {entry.name!r} is a {entry.type} (must be one of "
                    f"{', '.join(TYPES)})"
                )
            shape = [size if isinstance(size, int) else 1 for size in entry.shape]
            wanted.append((entry.name, shape, np.dtype(TYPES[entry.type])))
        # Bound once, so that no copy of ours is in its time.
        self._binding = self._session.io_binding()
        arrays = fit_samples(samples, wanted, nchw=True)
        for (name, _, _), x in zip(wanted, arrays, strict=True):
            self._binding.bind_cpu_input(name, x)
        for output in self._session.get_outputs():
            self._binding.bind_output(output.name)

    def infer(self) -> None:
        """One inference."""
        self._session.run_with_iobinding(self._binding)

    def outputs(self) -> list[Array]:
        """See `Peer.outputs`; integer outputs are stored values, since no scale comes with them."""
        return [
            (values.transpose(0, 2, 3, 1) if values.ndim == 4 else values).reshape(-1)
            for values in self._binding.copy_outputs_to_cpu()
        ]
