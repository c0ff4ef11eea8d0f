"""What an artefact was made of and with: a bill of materials, for its manifest.

Names, versions and hashes alone: no path, no date, nothing of the machine. Two machines with one
C compiler and one release of TVM write the same.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from edgemnv2.codegen.toolchain import Compiler, find_compiler
from edgemnv2.errors import ToolchainError
from edgemnv2.pipeline.plan import Scheduled
from edgemnv2.provenance import version_of
from edgemnv2.target import Target
from edgemnv2.version import __version__

__all__ = ["bill_of_materials"]

LICENSE = "Apache-2.0"
"""Of this package, whose runtime files go into artefacts, and of TVM."""


def bill_of_materials(scheduled: Scheduled, code_bytes: int) -> dict[str, Any]:
    """`components` by what they did, and `inputs` by their sha256; JSON values, sorted.

    A compiler is listed where there is machine code, or was, to count its bytes (`code_bytes`).
    """
    target, graph = scheduled.target, scheduled.graph
    components = [
        {"name": "edgemnv2", "version": __version__, "role": "compiler", "license": LICENSE},
        {
            "name": "apache-tvm",
            "version": version_of("apache-tvm"),
            "role": "code generator",
            "license": LICENSE,
        },
    ]
    if not target.is_bare_metal:
        components.append(
            {"name": "LLVM", "version": _llvm_version(), "role": "code generator of kernels"}
        )
    if code_bytes and (compiler := _compiler(target)):
        components.append(
            {"name": compiler.kind, "version": compiler.version(), "role": "C compiler"}
        )
    inputs = [{"name": graph.source, "sha256": graph.sha256, "role": "model"}]
    if log := scheduled.tuned.log_sha256:
        inputs.append({"name": "tuning log", "sha256": log, "role": "schedules"})
    return {"components": components, "inputs": inputs}


@cache
def _llvm_version() -> str:
    from tvm.target import codegen

    return str(codegen.llvm_version_major())


def _compiler(target: Target) -> Compiler | None:
    try:
        return find_compiler(target)
    except ToolchainError:
        return None
