"""A file compiled for a target and run there, held against its reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemnv2.check.verify import SampleChoice, VerifyResult, verify
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import make_runner, runner_for

__all__ = ["PLACES", "TARGETS", "verified"]

TARGETS = ("host", "rpi4", "mps2-an500", "mps3-an547")
PLACES = [
    pytest.param(x, marks=() if x in ("host", "mps2-an500") else pytest.mark.slow(ci=True))
    for x in TARGETS
]
"""The same as parameters: a processor of each kind by default, all in CI."""


def verified(blob: bytes, suffix: str, target: str, folder: Path) -> VerifyResult:
    """What `edgemnv2 verify` finds on three random samples; bare metal runs under QEMU."""
    path = folder / f"net{suffix}"
    path.write_bytes(blob)
    artifact = compile_model(path, target, folder / f"{target}-artifact")
    board = str(artifact.manifest.target).startswith("mps")
    runner = make_runner("qemu-system") if board else runner_for(artifact)
    return verify(artifact, runner, SampleChoice(random=3))
