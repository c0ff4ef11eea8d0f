"""The command that runs random networks on a target: they agree, and it notices what does not."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.networks import emulated


@pytest.mark.parametrize("target", ["mps2-an500", "mps3-an547"])
def test_random_networks_give_the_references_bytes(
    target: str, require_tool: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    for tool in ("qemu-system-arm", "arm-none-eabi-gcc"):
        require_tool(tool)
    assert emulated.main(["--target", target, "--count", "4"]) == 0, capsys.readouterr().out
    assert "{'ok': 4}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (SimpleNamespace(passed=True, exact=False, first_divergence="layer 1"), "layer 1"),
        (RuntimeError("the emulator ended"), "RuntimeError: the emulator ended"),
    ],
)
def test_a_difference_and_a_crash_fail(
    found: Any, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def verify(*_: Any) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(emulated, "compile_graph", lambda *_: None)
    monkeypatch.setattr(emulated, "runner_for", lambda _: None)
    monkeypatch.setattr(emulated, "verify", verify)
    assert emulated.main(["--target", "mps2-an500", "--count", "2"]) == 1
    printed = capsys.readouterr().out
    assert text in printed and "'wrong': 2" in printed and printed.endswith("FAILED\n")
