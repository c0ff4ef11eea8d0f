"""What tests of operators need of the machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture(autouse=True)
def _runs_its_target(request: pytest.FixtureRequest, require_runner: Callable[[str], None]) -> None:
    """A test with a parameter `target` runs its code."""
    call = getattr(request.node, "callspec", None)
    target = None if call is None else call.params.get("target")
    if isinstance(target, str):
        require_runner(target)


@pytest.fixture
def c_compiler(require_tool: Callable[[str], str]) -> None:
    """For tests that link kernels themselves."""
    require_tool("gcc")
