"""What a schedule may decide is what a log can hold: whole numbers and words."""

from __future__ import annotations

import pytest

from edgemnv2.pipeline import lower_source
from edgemnv2.records.task import find_tasks
from edgemnv2.schedules import ScheduleOptions
from edgemnv2.target import load_target

TARGETS = (
    "cortex-m0plus",
    "mps2-an500",
    "mps3-an547",
    "rpi3-32",
    "rpi3",
    "rpi5",
    "rv64gcv",
    "wasm",
    "wasm-plain",
    "x86-64-v3",
    "x86-64-v4-vnni",
)
"""One of each family of kernels."""


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("network", ["digits", "digits-int8"])
def test_decisions_are_whole_numbers_and_words(name: str, network: str) -> None:
    """A truth value would come back from a log as a word, which is in no space."""
    target = load_target(name)
    for task in find_tasks(lower_source(network), target, ScheduleOptions.default(target)):
        for decision, values in task.space.items():
            assert {type(value) for value in values} <= {int, str}, (task.label, decision)
