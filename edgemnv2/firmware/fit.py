"""Whether a bundle's firmware fits the board's memories: sums from the manifest, from above.

The link itself has the last word; this says it before anything is written, and names what is large.
"""

from __future__ import annotations

import json
import math

import numpy as np

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.places import STACK_BYTES, VARIABLE_BYTES, Places, places
from edgemnv2.errors import DoesNotFit
from edgemnv2.firmware.selftest import SelfTest
from edgemnv2.manifest import ArtifactTensor
from edgemnv2.memory.report import kib
from edgemnv2.target import MemoryRegion

__all__ = ["check_fit", "firmware_places", "flash_bytes", "ram_bytes"]

# Self-test, protocol, start code and newlib's memcpy, -O2: 5 to 6 KiB on Cortex-M0+ to M55.
FIRMWARE_CODE_BYTES = 8 * 1024
# Where no compiler could measure the kernels (code_bytes is 0); the largest seen is 25 KiB.
UNMEASURED_CODE_BYTES = 32 * 1024
# The row program: a step is two indices of at most 2 bytes, an operation 32 bytes and two rings of
# 20 with their slots.
STEP_BYTES = 4
OPERATION_BYTES = 120

Part = tuple[str, int]


def check_fit(artifact: Artifact, selftest: SelfTest) -> None:
    """Raise DoesNotFit, with sums, when a memory is too small; Linux targets always fit."""
    target = artifact.target
    if not target.is_bare_metal:
        return
    at = firmware_places(artifact)
    uses: dict[str, list[Part]] = {m.name: [] for m in target.memories}
    uses[at.code.name] += _code(artifact)
    uses[at.constants.name] += _constants(artifact, selftest)
    uses[at.variables.name] += _variables()
    uses[at.arena.name] += _arena(artifact)
    for region in target.memories:
        needed = sum(size for _, size in uses[region.name])
        if needed > region.length:
            raise DoesNotFit(_message(artifact, region, uses[region.name], needed))


def firmware_places(artifact: Artifact) -> Places:
    """Where the linker script of the firmware puts things."""
    arena = sum(size for _, size in _arena(artifact))
    return places(artifact.target, arena, artifact.manifest.code_bytes)


def flash_bytes(artifact: Artifact, selftest: SelfTest) -> int:
    """Code and constants of the firmware, from above."""
    return sum(size for _, size in _code(artifact) + _constants(artifact, selftest))


def ram_bytes(artifact: Artifact) -> int:
    """Arena, buffers, stack and variables of the firmware, from above."""
    return sum(size for _, size in _arena(artifact) + _variables())


def _code(artifact: Artifact) -> list[Part]:
    code = artifact.manifest.code_bytes or UNMEASURED_CODE_BYTES
    return [("code", code + FIRMWARE_CODE_BYTES)]


def _constants(artifact: Artifact, selftest: SelfTest) -> list[Part]:
    plan = json.loads((artifact.path / "memory_plan.json").read_text(encoding="utf-8"))
    tables = sum(
        len(p["steps"]) * STEP_BYTES + len(p["ops"]) * OPERATION_BYTES
        for p in (plan, plan["stream"])
    )
    return [
        ("weights", artifact.manifest.constants_bytes),
        ("tables", tables),
        ("self-test data", selftest.size_bytes),
    ]


def _arena(artifact: Artifact) -> list[Part]:
    arenas = artifact.manifest.threads_arena_bytes
    parts = [("arena", max(artifact.arena_bytes, *arenas.values(), 0))]
    if artifact.manifest.io != "arena":
        parts.append(
            ("input and output", sum(map(_tensor_bytes, (*artifact.inputs, *artifact.outputs))))
        )
    return parts


def _tensor_bytes(tensor: ArtifactTensor) -> int:
    return math.prod(tensor.nhwc) * np.dtype(tensor.dtype).itemsize


def _variables() -> list[Part]:
    return [("stack", STACK_BYTES), ("variables", VARIABLE_BYTES)]


def _message(artifact: Artifact, region: MemoryRegion, parts: list[Part], needed: int) -> str:
    largest_first = sorted(parts, key=lambda part: -part[1])
    listed = ", ".join(f"{name} {kib(size)}" for name, size in largest_first)
    return (
        f"{artifact.path}: the firmware needs {kib(needed)} of {region.name}, "
        f"{artifact.target.name} has {kib(region.length)}: {listed} "
        "(a smaller width or resolution helps; `edgemnv2 analyze` shows what fits)"
    )
