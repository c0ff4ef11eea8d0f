"""A budget of flash is kept, a larger one never buys less, and no output depends on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from edgemnv2.check.verify import verify
from edgemnv2.codegen.constants import pack_constants
from edgemnv2.errors import DoesNotFit, UsageError
from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import CompileOptions, compile_model, schedule_network
from edgemnv2.pipeline.flash import FlashUse, within_flash
from edgemnv2.runners import runner_for
from edgemnv2.samples.inputs import SampleChoice
from edgemnv2.schedules import Schedule, ScheduleOptions
from edgemnv2.target import load_target

NETWORK = "mobilenetv2-0.35-32-int8"
TARGETS = ("mps2-an386", "mps2-an500", "cortex-m0plus")


@cache
def network() -> Graph:
    return lower(load_model(NETWORK))


def bought(budget: int | None, target: str = "mps2-an500") -> tuple[Schedule, FlashUse]:
    board = load_target(target)
    return within_flash(network(), board, ScheduleOptions.default(board), budget)


def constants(schedule: Schedule) -> int:
    return len(pack_constants(schedule.kernels).data)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(x, marks=() if x == "mps2-an500" else pytest.mark.slow(ci=True))
        for x in TARGETS
    ],
)
def test_every_budget_is_kept_and_a_larger_one_buys_the_same_and_more(target: str) -> None:
    everything, use = bought(None, target)
    least, most = use.least_bytes, constants(everything)
    assert least < most == least + sum(use.bought.values())
    before: dict[str, int] = {}
    seen = set()
    for share in range(5):
        budget = least + (most - least) * share // 4
        schedule, use = bought(budget, target)
        assert use.least_bytes == least
        assert constants(schedule) == least + sum(use.bought.values()) <= budget
        assert all(use.bought.get(name, 0) >= size for name, size in before.items())
        before = dict(use.bought)
        seen.add(len(before))
    assert len(seen) > 2
    assert constants(bought(least, target)[0]) == least


def test_what_saves_most_a_byte_is_bought_first() -> None:
    """Late maps are small: their layers are read a few times, early ones hundreds of times."""
    least = bought(None)[1].least_bytes
    _, use = bought(least + 2000)
    early = [name for name in use.bought if name.startswith(("stem", "block1", "block2"))]
    assert early and "classifier" not in use.bought and "head" not in use.bought


def test_with_all_that_a_board_has_kernels_are_the_fastest() -> None:
    board = load_target("mps2-an500")
    options = CompileOptions(use_tune_logs=False)
    free = schedule_network(network(), board, options)
    decided = CompileOptions(schedule=ScheduleOptions.default(board))
    fixed = schedule_network(network(), board, decided)
    assert free.constants.data == fixed.constants.data
    assert fixed.flash is None


def test_a_budget_below_the_smallest_form_says_what_that_takes() -> None:
    least = bought(None)[1].least_bytes
    with pytest.raises(
        DoesNotFit,
        match=rf"flash_budget={least - 1}: .*0.35-32-int8 has {least} bytes of constants",
    ):
        bought(least - 1)


def test_budgets_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"flash_budget=0: expected at least 1"):
        compile_model(NETWORK, "mps2-an500", tmp_path / "a", CompileOptions(flash_budget=0))
    with pytest.raises(UsageError, match=r"flash_budget=: rpi4 is a Linux target"):
        compile_model(NETWORK, "rpi4", tmp_path / "a", CompileOptions(flash_budget=1 << 20))
    assert not list(tmp_path.iterdir())


def test_families_without_smaller_forms_have_what_they_need() -> None:
    schedule, use = bought(None, "mps3-an547")
    assert use.least_bytes == constants(schedule) and not use.bought


@pytest.mark.parametrize(
    "target",
    [pytest.param(x, marks=pytest.mark.slow(ci=True)) for x in ("mps2-an386", "mps2-an500")],
)
def test_outputs_are_those_of_the_reference_under_every_budget(
    target: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("qemu-system-arm")
    require_tool("arm-none-eabi-gcc")
    board = load_target(target)
    graph = lower(load_model("digits-int8"))
    _, use = within_flash(graph, board, ScheduleOptions.default(board), None)
    room = sum(use.bought.values())
    for number, budget in enumerate((use.least_bytes, use.least_bytes + room // 2)):
        made = compile_model(
            "digits-int8", target, tmp_path / str(number), CompileOptions(flash_budget=budget)
        )
        assert verify(made, runner_for(made), SampleChoice(random=2)).exact
        said = json.loads((made.path / "manifest.json").read_text())["flash"]
        assert said == made.manifest.flash
        assert made.manifest.constants_bytes == said["least_bytes"] + sum(said["bought"].values())
        assert made.manifest.constants_bytes <= budget == said["budget_bytes"]
