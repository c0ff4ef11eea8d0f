"""Row kernels -> one relocatable object, through TVM's LLVM; plain C calls, no TVM runtime."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgemnv2.ops.kernel import RowKernel
from edgemnv2.target import Target

__all__ = ["build_object", "build_objects", "named"]


def named(kernels: Mapping[str, RowKernel], prefix: str) -> dict[str, Any]:
    """PrimFuncs by final symbol, each once, in the order of first use."""
    functions: dict[str, Any] = {}
    for kernel in kernels.values():
        symbol = f"{prefix}_{kernel.symbol}"
        if kernel.code is not None and symbol not in functions:
            functions[symbol] = kernel.code.function.with_attr("global_symbol", symbol)
    return functions


def build_objects(
    kernels: Mapping[str, RowKernel], target: Target, prefix: str, out: Path
) -> list[Path]:
    """`build_object`, and beside `out` a second object where kernels share functions; both paths.

    Raises OSError where that fails.
    """
    build_object(kernels, target, prefix, out)
    codes = [kernel.code for kernel in kernels.values() if kernel.code is not None]
    shared = {symbol: f for code in codes for symbol, f in code.calls.items()}
    if not shared:
        return [out]
    second = out.with_stem(f"{out.stem}_shared")
    _write(shared, target, second)
    return [out, second]


def build_object(kernels: Mapping[str, RowKernel], target: Target, prefix: str, out: Path) -> None:
    """Write the object with the kernels' functions, named `prefix_symbol`, to `out`.

    Raises OSError where that fails.
    """
    _write(named(kernels, prefix), target, out)


def _write(functions: Mapping[str, Any], target: Target, out: Path) -> None:
    from edgemnv2.tir.builder import build_module  # imports TVM

    module = build_module(functions, target.tvm_target())
    if not hasattr(os, "memfd_create") or find_spec("resource") is None:
        module.write_to_file(str(out), "o")
        return
    # LLVM ends the process where a file cannot be written: its file is in memory, ours on the disk.
    with os.fdopen(os.memfd_create("kernels"), "rb") as memory:
        _emit(module, f"/proc/self/fd/{memory.fileno()}")
        out.write_bytes(memory.read())


def _emit(module: Any, path: str) -> None:
    """Write the object; OSError where that goes beyond the process's limit of a file's size.

    That limit holds of memory files, too, and LLVM ends the process at it: where there is one, a
    child writes. What else ends the child is raised with the child's own last words.
    """
    if sys.platform == "win32":
        raise NotImplementedError("there are neither memory files nor such limits")
    import resource

    if resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY:
        module.write_to_file(path, "o")
        return
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(writer, 2)
            module.write_to_file(path, "o")
            os._exit(0)
        except BaseException as error:
            os.write(2, repr(error).encode())
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as words:
        said = words.read().decode(errors="replace").strip()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status and os.strerror(errno.EFBIG) in said:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    if status:
        raise RuntimeError(f"the kernels' object was not written (status {status}): {said}")
