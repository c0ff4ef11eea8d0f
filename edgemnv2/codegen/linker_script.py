"""The linker script of a bare-metal target, made from its `[[memory]]` regions (`places.py`)."""

from __future__ import annotations

from edgemnv2.codegen.places import HOT_SECTION, STACK_BYTES, Places, places
from edgemnv2.target import Target

__all__ = ["STACK_BYTES", "linker_script"]


def linker_script(target: Target, where: Places | None = None) -> str:
    """GNU ld's script for a program that starts from reset on `target`.

    `where` things lie, if more than the target is known.
    """
    at = where or places(target)
    memory = "\n".join(
        f"    {m.name} ({m.access}) : ORIGIN = {m.origin:#010x}, LENGTH = {m.length:#x}"
        for m in target.memories
    )
    hot = f"> {at.hot_code.name} AT > {at.code.name}" if at.copies_code else f"> {at.code.name}"
    return f"""\
ENTRY(edgemnv2_reset)
MEMORY
{{
{memory}
}}
SECTIONS
{{
    .text : {{ KEEP(*(.vectors)) *(.text*) . = ALIGN(8); }} > {at.code.name}
    .hot :
    {{
        edgemnv2_hot_start = .;
        *({HOT_SECTION}*)
        . = ALIGN(8);
        edgemnv2_hot_end = .;
    }} {hot}
    edgemnv2_hot_load = LOADADDR(.hot);
    .ARM.exidx : {{ *(.ARM.exidx*) }} > {at.code.name}
    .rodata : {{ *(.rodata*) *(.srodata*) . = ALIGN(8); }} > {at.constants.name}
    .data :
    {{
        edgemnv2_data_start = .;
        *(.data*) *(.sdata*)
        . = ALIGN(8);
        edgemnv2_data_end = .;
    }} > {at.variables.name} AT > {at.code.name}
    edgemnv2_data_load = LOADADDR(.data);
    .bss (NOLOAD) :
    {{
        edgemnv2_bss_start = .;
        *(.bss*) *(.sbss*) *(COMMON)
        . = ALIGN(8);
        edgemnv2_bss_end = .;
    }} > {at.variables.name}
    .arena (NOLOAD) : {{ *(.arena*) . = ALIGN(8); }} > {at.arena.name}
    edgemnv2_stack_top = ORIGIN({at.variables.name}) + LENGTH({at.variables.name});
    edgemnv2_stack_limit = edgemnv2_stack_top - {STACK_BYTES};
    ASSERT({_end_of_data(at)} <= edgemnv2_stack_limit, "no room for the stack")
}}
"""


def _end_of_data(at: Places) -> str:
    """The address behind everything that lies in the stack's region."""
    section = ".arena" if at.variables == at.arena else ".bss"
    return f"(ADDR({section}) + SIZEOF({section}))"
