"""The runner of WebAssembly refuses what it cannot run, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners import default_runner, make_runner
from edgemnv2.runners.node import find_node
from tests.runners.tiny_artifact import make_tiny_artifact, tiny_samples


def test_without_node_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RunnerError, match="apt install nodejs"):
        find_node()


def test_code_for_other_targets_is_refused(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("gcc")
    artifact = make_tiny_artifact(tmp_path / "net", "host", "")
    assert default_runner(artifact) != "node"
    with pytest.raises(UsageError, match="compile for wasm"):
        make_runner("node").run(artifact, [np.asarray(x) for x in tiny_samples(1)])
