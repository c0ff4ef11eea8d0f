"""A file compiled for a target and run there, held against its reference."""

from __future__ import annotations

from pathlib import Path

from edgemnv2.check.verify import SampleChoice, VerifyResult, verify
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import make_runner, runner_for

__all__ = ["TARGETS", "verified"]

TARGETS = ("host", "rpi4", "mps2-an500", "mps3-an547")


def verified(blob: bytes, suffix: str, target: str, folder: Path) -> VerifyResult:
    """What `edgemnv2 verify` finds on three random samples; bare metal runs under QEMU."""
    path = folder / f"net{suffix}"
    path.write_bytes(blob)
    artifact = compile_model(path, target, folder / f"{target}-artifact")
    board = str(artifact.manifest.target).startswith("mps")
    runner = make_runner("qemu-system") if board else runner_for(artifact)
    return verify(artifact, runner, SampleChoice(random=3))
