"""Fixtures that every test folder uses: the shared data and the tools a test needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

# Before NumPy is imported: one BLAS thread per test process, as in the command line.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-tools",
        action="store_true",
        help="a missing emulator, compiler or peer fails the test instead of skipping it",
    )


def missing(config: pytest.Config, what: str) -> None:
    """Skip the running test for want of `what`, or fail it under --require-tools."""
    if config.getoption("--require-tools"):
        pytest.fail(f"{what} is required here (--require-tools) but missing")
    pytest.skip(f"{what} is not installed")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real models and images, outside the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared data folder (../shared/data) is not on this machine")
    return SHARED_DATA


@pytest.fixture
def require_tool(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """`require_tool("qemu-arm")` gives its path, or skips (fails under --require-tools)."""

    def require(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            missing(request.config, name)
        return str(path)

    return require


@pytest.fixture
def require_module(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """`require_module("onnxruntime")` skips (fails under --require-tools) where it is missing."""

    def require(name: str) -> None:
        try:
            __import__(name)
        except ImportError:
            missing(request.config, name)

    return require
