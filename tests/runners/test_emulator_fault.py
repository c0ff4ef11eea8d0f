"""QEMU's own faults are told from those of an artefact."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemnv2.errors import RunnerError
from edgemnv2.runners import make_runner
from edgemnv2.runners.qemu_user import EmulatorError
from tests.runners.tiny_artifact import make_tiny_artifact, tiny_samples

# Word for word what QEMU 7.2 says.
SAID = (
    "qemu-riscv64: ../../target/riscv/translate.c:213: decode_save_opc: "
    "Assertion `ctx->insn_start != NULL' failed."
)


@pytest.mark.parametrize(
    ("said", "kind", "wanted"),
    [(SAID, EmulatorError, "before 8.0"), ("Segmentation fault", RunnerError, "Segmentation")],
)
def test_a_fault_of_the_emulator_is_not_the_artefacts(
    said: str, kind: type[Exception], wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = make_tiny_artifact(tmp_path / "art", "host")
    emulator = tmp_path / "qemu-fake"
    (tmp_path / "said.txt").write_text(said)
    emulator.write_text(f"#!/bin/sh\ncat {tmp_path}/said.txt >&2\nexit 139\n")
    emulator.chmod(0o755)
    monkeypatch.setattr("edgemnv2.runners.qemu_user.find_qemu_user", lambda *_, **__: str(emulator))
    with pytest.raises(kind, match=wanted) as caught:
        make_runner("qemu-user").run(artifact, tiny_samples(1))
    assert type(caught.value) is kind
