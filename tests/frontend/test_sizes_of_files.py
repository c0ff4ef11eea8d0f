"""Sizes that a file gives are compared with shapes before anything is made of that size."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.networks.tflite_net import TfliteNet
from tests.ops import test_select as select
from tests.ops.test_select import long, onnx_net

SIZES = (0, -1, 2**31 - 1, -(2**31), 2**62, -(2**62))
MORE_ONNX: dict[str, Any] = {
    "Pad": ("Pad", [long([0, 0, 2, 1, 0, 0, 1, 3])]),
    "ReduceSum": ("ReduceSum", [long([2, 3])]),
    "Reshape": ("Reshape", [long([1, 60])]),
    "Resize": ("Resize", [np.zeros(0, np.float32), np.zeros(0, np.float32), long([1, 3, 9, 7])]),
    "TopK": ("TopK", [long([2])]),
    "Unsqueeze": ("Unsqueeze", [long([1])]),
}
# Loads every file of a folder with 1 GiB to spare, and says which were not refused or accepted.
LOADS = """
import resource, sys
from pathlib import Path
from edgemnv2.errors import EdgeError
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 30),) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        lower(load_model(path))
    except EdgeError as error:
        if isinstance(error.__cause__, MemoryError):
            print(path.name, "met when memory was gone", error)
    except BaseException as error:
        print(path.name, type(error).__name__, error)
"""


def damaged(values: Any, size: int) -> Iterator[np.ndarray]:
    """`values` with each of them in turn made `size`."""
    for place in range(values.size):
        changed = values.copy()
        changed.reshape(-1)[place] = size
        yield changed


def onnx_files() -> Iterator[bytes]:
    for operator, constants, *more in (select.ONNX | MORE_ONNX).values():
        attributes, outputs = more[0] if more else {}, more[1] if len(more) > 1 else 1
        for which, constant in enumerate(constants):
            if constant.dtype != np.int64:
                continue
            for size in SIZES:
                for changed in damaged(constant, size):
                    given = [*constants[:which], changed, *constants[which + 1 :]]
                    yield onnx_net(operator, given, outputs, **attributes)


def tflite_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[bytes]:
    """Every constant of sizes made huge at each place, for every operator that moves values."""
    random = np.random.default_rng(0)
    for name in select.NAMES:
        counts: list[int] = []
        with monkeypatch.context() as m:
            m.setattr(select.Moves, "ints", _counting(counts))
            select.moved(name, (1, 5, 4, 3), "int8", 2, random)
        for which, count in enumerate(counts):
            for size in (x for x in SIZES if abs(x) <= 2**31):
                for place in range(count):
                    with monkeypatch.context() as m:
                        m.setattr(select.Moves, "ints", _changing(which, place, size))
                        yield select.moved(name, (1, 5, 4, 3), "int8", 2, random)


def _counting(counts: list[int]) -> Any:
    def ints(self: Any, values: Any) -> int:
        counts.append(np.size(values))
        return int(self.net.constant(np.asarray(values, np.int32)))

    return ints


def _changing(which: int, place: int, size: int) -> Any:
    seen = 0

    def ints(self: Any, values: Any) -> int:
        nonlocal seen
        values = np.array(values, np.int32)
        if seen == which:
            values.reshape(-1)[place] = size
        seen += 1
        return int(self.net.constant(values))

    return ints


def test_no_size_of_a_file_takes_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [(".onnx", x) for x in onnx_files()]
    files += [(".tflite", x) for x in tflite_files(monkeypatch)]
    net = TfliteNet()
    sizes = np.array([[0, 0], [1, 2**31 - 1], [0, 3], [2, 0]], np.int32)
    x, y = (net.tensor((1, 4, 5, 3), "int8", 0.1, 3) for _ in range(2))
    net.add("PAD", [x, net.constant(sizes)], [y], "PadOptions")
    files.append((".tflite", net.build([x], [y])))
    for i, (suffix, blob) in enumerate(files):
        (tmp_path / f"net{i:04}{suffix}").write_bytes(blob)
    command = [sys.executable, "-c", LOADS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-800:]
    assert not done.stdout, done.stdout[:2000]
    assert len(files) > 500
