"""No kernel is slower and no arena larger than at the last release."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.safeguards import figures

TOOLS = {
    "mps2-an386": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "mps2-an500": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "mps3-an547": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "rpi4": ("aarch64-linux-gnu-gcc", "qemu-aarch64"),
}


def stored() -> list[str]:
    return figures.RELEASE.read_text(encoding="utf-8").splitlines()


def test_every_run_has_figures_of_the_release() -> None:
    found = {(x["artifact"].replace("_", "-"), x["target"]) for x in map(json.loads, stored())}
    assert found == set(figures.RUNS)
    assert {target for _, target in figures.RUNS} == set(TOOLS)


@pytest.mark.parametrize(
    "target",
    [pytest.param(x, marks=() if x == "mps2-an500" else pytest.mark.slow(ci=True)) for x in TOOLS],
)
def test_it_is_as_good_as_the_last_release(target: str, require_tool: Callable[[str], str]) -> None:
    for tool in TOOLS[target]:
        require_tool(tool)
    done = figures.compare(figures.measure([target]), [target])
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "within all limits" in done.stdout


def test_a_larger_arena_fails_with_a_table() -> None:
    now = [json.loads(line) for line in stored()]
    now[1]["arena_bytes"] += 1
    done = figures.compare([json.dumps(x) for x in now])
    assert done.returncode == 1
    assert "arena" in done.stdout and "EXCEEDED (allowed +0)" in done.stdout


def test_a_slower_kernel_fails_with_a_table() -> None:
    now = [json.loads(line) for line in stored()]
    layer = now[3]["layers"][2]
    # A small layer: the whole network hardly shows it.
    layer["value"] *= 1.06
    done = figures.compare([json.dumps(x) for x in now])
    assert done.returncode == 1
    row = next(line for line in done.stdout.splitlines() if line.startswith(layer["name"]))
    assert "+6.00 %" in row and "EXCEEDED" in row


def test_more_instructions_in_all_fail_with_a_table() -> None:
    now = [json.loads(line) for line in stored()]
    now[0]["median"] *= 1.011
    done = figures.compare([json.dumps(x) for x in now])
    assert done.returncode == 1 and "EXCEEDED (allowed +1%)" in done.stdout


def test_a_network_that_is_no_longer_measured_fails() -> None:
    done = figures.compare(stored()[1:])
    assert done.returncode == 1 and "gone       digits_int8 for mps2-an386" in done.stdout
