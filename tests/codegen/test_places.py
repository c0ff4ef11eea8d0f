"""Which memory holds what: the fastest that is large enough."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.codegen.linker_script import linker_script
from edgemnv2.codegen.places import STACK_BYTES, VARIABLE_BYTES, places
from edgemnv2.target import load_target

H7 = load_target("nucleo-h743zi")
ROOM = 128 * 1024 - STACK_BYTES - VARIABLE_BYTES


def test_an_arena_lies_beside_the_variables_as_long_as_it_fits() -> None:
    for arena_bytes, memory in ((ROOM, "dtcm"), (ROOM + 1, "axi_sram"), (None, "axi_sram")):
        assert places(H7, arena_bytes).arena.name == memory
    assert places(load_target("nucleo-f446re"), 1).arena.name == "sram"


def test_code_is_copied_where_there_is_room_for_all_of_it() -> None:
    for hot_bytes, memory in ((0, "flash"), (1, "itcm"), (65536, "itcm"), (65537, "flash")):
        at = places(H7, None, hot_bytes)
        assert at.hot_code.name == memory and at.copies_code == (memory == "itcm")
    without = replace(H7, memories=tuple(m for m in H7.memories if m.access != "rwx"))
    assert not places(without, None, 1).copies_code


def test_the_script_says_so() -> None:
    near = linker_script(H7, places(H7, 1000, 1000))
    assert "} > itcm AT > flash\n    edgemnv2_hot_load = LOADADDR(.hot);" in near
    assert ".arena (NOLOAD) : { *(.arena*) . = ALIGN(8); } > dtcm" in near
    assert "(ADDR(.arena) + SIZEOF(.arena)) <= edgemnv2_stack_limit" in near
    far = linker_script(H7)
    assert "itcm AT" not in far and "> axi_sram" in far
    assert "(ADDR(.bss) + SIZEOF(.bss)) <= edgemnv2_stack_limit" in far
