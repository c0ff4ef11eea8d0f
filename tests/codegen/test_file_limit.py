"""Beyond the process's limit of a file's size: a message of ours, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
