"""llvm-mca is asked what it can answer, and its answers are read right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgemnv2.benchmark.core_model import DEPENDENCY, CoreModel
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners.llvm_tools import LLVM_PACKAGE, find_llvm_tools
from edgemnv2.target import load_target, target_names

MODELLED = [name for name in target_names() if load_target(name).cycles]


@pytest.fixture(autouse=True)
def _tools(require_tool: Callable[[str], str]) -> None:
    try:
        find_llvm_tools()
    except RunnerError:
        require_tool(LLVM_PACKAGE.replace("llvm", "llvm-mca"))


@pytest.mark.parametrize("name", MODELLED)
def test_llvm_has_a_model_of_every_core_that_a_target_file_names(name: str) -> None:
    model = CoreModel.of(load_target(name))
    add = {"aarch64": "add x0, x0, x1", "x86_64": "addq %rbx, %rax"}
    (steady,) = model.steady([[add.get(model.triple.split("-")[0], "add r0, r0, r1")]])
    assert steady is not None and steady.skipped == 0
    assert steady.cycles == pytest.approx(1.0)


def test_a_chain_of_results_is_bound_by_its_latency_and_a_free_one_by_its_pipe() -> None:
    model = CoreModel.of(load_target("rpi4"))
    chain = ["fmul v0.2s, v0.2s, v1.2s"] * 4
    free = [f"fmul v{number}.2s, v30.2s, v31.2s" for number in range(8)]
    waits, runs = model.steady([chain, free])
    assert waits is not None and runs is not None
    # LLVM takes the A57 for it: latency 5, two pipes.
    assert waits.cycles == pytest.approx(20.0) and waits.limit == DEPENDENCY
    assert runs.cycles == pytest.approx(4.0) and runs.limit.startswith("pipe A57Unit")
    assert waits.bound == pytest.approx(2.0) and runs.bound == pytest.approx(4.0)


def test_equal_runs_get_equal_figures_in_their_order() -> None:
    model = CoreModel.of(load_target("mps2-an500"))
    run, other = ["adds r0, r0, r1"], ["mul r0, r0, r1"]
    first, second, third = model.steady([run, other, run])
    assert first == third != second


def test_code_is_read_back_in_pieces_without_what_is_none() -> None:
    model = CoreModel.of(load_target("rpi4"))
    nop = bytes.fromhex("1f2003d5")
    nonsense = bytes.fromhex("ffffffff")
    read = model.disassemble([nop + nonsense + nop, b"", nonsense, nop])
    assert read == [["nop", "nop"], [], [], ["nop"]]


def test_x86_code_is_read_whatever_bytes_llvm_would_write() -> None:
    model = CoreModel.of(load_target("x86-64-v3"))
    # vpmaddwd %ymm5, %ymm5, %ymm6 in three bytes of prefix, which LLVM writes with two; ret
    madd, ret = bytes.fromhex("c4e155f5f5"), b"\xc3"
    read = model.disassemble([madd + ret, b"", ret + madd[:3], madd])
    assert read[0] == ["vpmaddwd %ymm5, %ymm5, %ymm6", "retq"]
    assert read[1] == [] and read[2][0] == "retq" and read[3] == read[0][:1]


def test_thumb_calls_count_as_jumps_and_wide_names_are_plain() -> None:
    model = CoreModel.of(load_target("mps2-an500"))
    # bl +0; ldr.w r0, [r1, #4]; it eq; moveq r0, #1
    (read,) = model.disassemble([bytes.fromhex("00f000f8d1f8040008bf0120")])
    assert read[0].startswith("b ") and read[1] == "ldr r0, [r1, #4]"
    (steady,) = model.steady([read])
    assert steady is not None and steady.cycles < 20


def test_what_no_model_knows_is_skipped_and_counted() -> None:
    model = CoreModel.of(load_target("rpi4"))
    some, none = model.steady([["nop", "frobnicate x0"], ["frobnicate x0"]])
    assert some is not None and some.skipped == 1
    assert none is None


def test_a_target_without_a_core_is_refused() -> None:
    with pytest.raises(UsageError, match=r"esp32.*cycles\.core"):
        CoreModel.of(load_target("esp32"))
    assert CoreModel.of(load_target("rpi4"), "cortex-a57").core == "cortex-a57"


def test_half_an_instruction_at_the_end_of_a_page_hides_none_of_what_follows() -> None:
    model = CoreModel.of(load_target("mps2-an500"))
    add = bytes.fromhex("0aeb0b0c")
    # QEMU hands over the first half of what the next page begins with.
    assert model.disassemble([add + add[:2], add, b"\x00\xbf" + add[:2]]) == [
        ["add r12, r10, r11"],
        ["add r12, r10, r11"],
        ["nop"],
    ]
