"""Beyond the process's limit of a file's size: a message of ours, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.codegen.llvm import _emit
from tests.frontend.tiny_onnx import TinyOnnx

resource = pytest.importorskip("resource")


@pytest.mark.parametrize("bytes_", [64, 8192])
def test_a_file_that_may_not_grow_is_told(bytes_: int, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(TinyOnnx().build().SerializeToString())
    command = ["compile", "net.onnx", "--target", "host", "-o", "net"]
    done = subprocess.run(
        [sys.executable, "-m", "edgemnv2.cli.main", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1, done.stderr
    assert "edgemnv2 compile: net: cannot be written (File too large)" in done.stderr
    assert "LLVM ERROR" not in done.stderr and "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx"]


@pytest.fixture
def limited() -> Iterator[None]:
    """A limit of a file's size that nothing reaches."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 40, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class _Raises:
    def write_to_file(self, path: str, kind: str) -> Any:
        raise ValueError(f"no {kind} for {path}")


class _Dies:
    def write_to_file(self, path: str, kind: str) -> Any:
        os.write(2, b"LLVM ERROR: out of registers")
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.usefixtures("limited")
def test_what_else_ends_the_writer_is_not_called_a_limit() -> None:
    with pytest.raises(RuntimeError, match=r"status 1.*ValueError.*no o for net\.o"):
        _emit(_Raises(), "net.o")
    with pytest.raises(RuntimeError, match=r"status -9.*LLVM ERROR: out of registers"):
        _emit(_Dies(), "net.o")
