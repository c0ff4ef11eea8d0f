"""Fixtures that every test folder uses: the shared data and the tools a test needs."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.golden_files import GOLDEN, Golden

# Nothing that is compiled in a test may depend on the processor that the test runs on.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ["EDGEMNV2_HOST"] = "x86-64-v3"
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
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the files of tests/golden anew instead of comparing with them",
    )


def missing(config: pytest.Config, what: str, why: str = "is not installed") -> None:
    """Skip the running test for want of `what`, or fail it under --require-tools."""
    if config.getoption("--require-tools"):
        pytest.fail(f"{what} is required here (--require-tools) but {why}")
    pytest.skip(f"{what} {why}")


# Compilers that tests call themselves, and the target that they must be able to compile for.
COMPILERS = {
    "gcc": None,
    "cc": None,
    "clang": None,
    "aarch64-linux-gnu-gcc": "rpi4",
    "arm-linux-gnueabihf-gcc": "rpi3-32",
    "arm-none-eabi-gcc": "mps2-an386",
    "arm-none-eabi-g++": "mps2-an386",
}
# What runs code of an instruction set, and what links it where zig cannot.
RUNNERS = {
    "aarch64": ("qemu-aarch64",),
    "armv7a": ("qemu-arm",),
    "thumb": ("qemu-system-arm", "arm-none-eabi-gcc"),
    "riscv32": ("qemu-system-riscv32", "riscv64-unknown-elf-gcc"),
    "riscv64": ("qemu-riscv64",),
    "wasm32": ("node",),
}


def tool_problem(name: str) -> str:
    """Why the program `name` is of no use here, as in "... is not installed"; "" where it is."""
    if shutil.which(name) is None:
        return "is not installed"
    if name not in COMPILERS:
        return ""
    from edgemnv2.codegen.toolchain import compiler_problem
    from edgemnv2.target import load_target

    target = COMPILERS[name]
    found = compiler_problem(name, None if target is None else load_target(target))
    return f"does not work: {' '.join(found)}" if found is not None and found[1] else ""


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real models and images, outside the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared data folder (../shared/data) is not on this machine")
    return SHARED_DATA


@pytest.fixture
def require_tool(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """`require_tool("qemu-arm")` gives its path, or skips (fails under --require-tools).

    A compiler that cannot compile a probe program is as good as missing.
    """

    def require(name: str) -> str:
        if problem := tool_problem(name):
            missing(request.config, name, problem)
        return str(shutil.which(name))

    return require


@pytest.fixture
def require_runner(require_tool: Callable[[str], str]) -> Callable[[str], None]:
    """`require_runner("rpi4")` skips without what compiles for that target and runs its code."""

    def require(target: str) -> None:
        from edgemnv2.target import load_target

        for tool in RUNNERS.get(load_target(target).cpu.isa, ()) if target != "host" else ():
            require_tool(tool)

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


@pytest.fixture
def exact_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions whose int8 products do not saturate in pairs, as they do on x86 without VNNI."""
    onnxruntime = pytest.importorskip("onnxruntime")
    usual = onnxruntime.SessionOptions

    def options() -> Any:
        made = usual()
        made.add_session_config_entry("session.x64quantprecision", "1")
        return made

    monkeypatch.setattr(onnxruntime, "SessionOptions", options)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """`golden.check(text, ".c")` compares with `tests/golden/<module>/<test>.c`."""
    module = Path(request.node.path).relative_to(Path(__file__).parent).with_suffix("")
    folder = GOLDEN / module.parent / module.name.removeprefix("test_")
    name = re.sub(r"[^\w-]+", "-", request.node.name.removeprefix("test_")).strip("-")
    return Golden(folder / name, bool(request.config.getoption("--update-golden")))
