"""The quantiser's file does not depend on the processor, the BLAS or the number of threads.

OpenBLAS and NumPy choose their kernels by the processor when they are loaded, so each choice gets a
process of its own.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = """
import hashlib, sys
from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import outputs
from edgemnv2.passes import lower
from edgemnv2.quantizer.quantize import quantize
from edgemnv2.samples.images import random_inputs

graph = lower(load_model("mobilenetv2-0.35-96"))
samples = random_inputs(graph.tensors[graph.inputs[0]], 3, seed=8)
print(hashlib.sha256(outputs(graph, samples.x).tobytes()).hexdigest())
for per_channel in (True, False):
    print(hashlib.sha256(quantize(graph, samples, per_channel=per_channel).onnx).hexdigest())
"""
KERNELS = {"Prescott": None, "Haswell": "avx2", "SkylakeX": "avx512f"}
"""OpenBLAS's names, and what the processor must have."""
ROOT = Path(__file__).resolve().parents[2]


def processor_flags() -> set[str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    return {flag for line in lines if line.startswith("flags") for flag in line.split()}


def settings() -> list[dict[str, str]]:
    """Environments that differ in what NumPy and its BLAS compute with."""
    found = [{"OPENBLAS_NUM_THREADS": "1"}, {"OPENBLAS_NUM_THREADS": "2"}]
    if platform.machine() in ("x86_64", "AMD64"):
        flags = processor_flags()
        found += [
            {"OPENBLAS_CORETYPE": name}
            for name, needed in KERNELS.items()
            if needed is None or needed in flags
        ]
    numpy_core = np._core._multiarray_umath
    wide = [x for x in numpy_core.__cpu_dispatch__ if numpy_core.__cpu_features__.get(x)]
    if wide:
        found.append({"NPY_DISABLE_CPU_FEATURES": " ".join(wide)})
    return found


def hashes(setting: dict[str, str]) -> list[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS_", "NPY_"))}
    environment = {**inherited, "PYTHONPATH": str(ROOT), **setting}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{setting}: {done.stderr[-2000:]}"
    return done.stdout.split()


@pytest.mark.slow(ci=True)
def test_one_file_for_every_kernel_and_number_of_threads():
    found = {str(setting): hashes(setting) for setting in settings()}
    files = {tuple(lines[1:]) for lines in found.values()}
    assert len(files) == 1, found
    if len({lines[0] for lines in found.values()}) == 1:
        pytest.skip(
            "this BLAS computes the same in every setting here: nothing was put to the test"
        )
