"""The C around a network, without one: header, decoder and camera rows of made-up ends, compiled
for this machine as strictly as any firmware would, and called through ctypes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.codegen.answers import Answers
from edgemnv2.codegen.camera import CameraRows
from edgemnv2.codegen.emit import write_vision
from edgemnv2.codegen.ends import InterfaceEnd
from edgemnv2.codegen.interface import Interface, header
from edgemnv2.task import Task

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-O2")


def end(field: str, shape: Sequence[int], dtype: str, quant: Any = None) -> InterfaceEnd:
    scale, zero_point = quant or (None, None)
    height, width, channels = shape
    return InterfaceEnd(field, field, height, width, channels, dtype, scale, zero_point)


def interface(
    task: Task, outputs: Sequence[InterfaceEnd], camera: CameraRows | None = None
) -> Interface:
    answers = Answers(task, {x.field: x for x in outputs})
    taken = camera.end if camera else end("input", (8, 8, 3), "int8", (1.0, -128))
    return Interface(
        "net", "caller", "nothing", 1, (taken,), tuple(outputs), 64, 64, 64, 1,
        answers=answers, camera=camera,
    )  # fmt: skip


def record(one: InterfaceEnd) -> dict[str, Any]:
    """As the manifest has it."""
    shape = [1, one.height, one.width, one.channels]
    return {
        "name": one.field,
        "shape": shape,
        "dtype": one.dtype,
        "scale": one.scale,
        "zero_point": one.zero_point,
    }


def library(made: Interface, folder: Path) -> ctypes.CDLL:
    """The shared library of all that is around the network `made`."""
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no gcc or clang")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.h").write_text(header(made))
    sources = [str(folder / name) for name in write_vision(made, folder)]
    command = [compiler, *STRICT, "-shared", "-fPIC", *sources, "-o", str(folder / "net.so")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return ctypes.CDLL(str(folder / "net.so"))


def pointers(arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    """`struct net_outputs` of these arrays, which must stay alive."""
    assert all(x.flags["C_CONTIGUOUS"] for x in arrays)
    return (ctypes.c_void_p * len(arrays))(*(x.ctypes.data for x in arrays))
