"""The linker script of a bare-metal target, made from its `[[memory]]` regions.

First "rx" region: vectors and code. Largest "rx" region: constants. First "rw" region: variables,
stack at its end. Largest "rw" region: section `.arena`.
"""

from __future__ import annotations

from edgemnv2.target import MemoryRegion, Target

__all__ = ["STACK_BYTES", "linker_script"]

# The reserve that the link checks for; the limit for generated code is half of it.
STACK_BYTES = 8 * 1024


def linker_script(target: Target) -> str:
    """GNU ld's script for a program that starts from reset on `target`."""
    readable = [m for m in target.memories if m.access == "rx"]
    writable = [m for m in target.memories if m.access == "rw"]
    code, constants = readable[0], max(readable, key=_length)
    data, arena = writable[0], max(writable, key=_length)
    memory = "\n".join(
        f"    {m.name} ({m.access}) : ORIGIN = {m.origin:#010x}, LENGTH = {m.length:#x}"
        for m in target.memories
    )
    return f"""\
ENTRY(edgemnv2_reset)
MEMORY
{{
{memory}
}}
SECTIONS
{{
    .text : {{ KEEP(*(.vectors)) *(.text*) . = ALIGN(8); }} > {code.name}
    .ARM.exidx : {{ *(.ARM.exidx*) }} > {code.name}
    .rodata : {{ *(.rodata*) *(.srodata*) . = ALIGN(8); }} > {constants.name}
    .data :
    {{
        edgemnv2_data_start = .;
        *(.data*) *(.sdata*)
        . = ALIGN(8);
        edgemnv2_data_end = .;
    }} > {data.name} AT > {code.name}
    edgemnv2_data_load = LOADADDR(.data);
    .bss (NOLOAD) :
    {{
        edgemnv2_bss_start = .;
        *(.bss*) *(.sbss*) *(COMMON)
        . = ALIGN(8);
        edgemnv2_bss_end = .;
    }} > {data.name}
    .arena (NOLOAD) : {{ *(.arena*) . = ALIGN(8); }} > {arena.name}
    edgemnv2_stack_top = ORIGIN({data.name}) + LENGTH({data.name});
    edgemnv2_stack_limit = edgemnv2_stack_top - {STACK_BYTES};
    ASSERT({_end_of_data(data, arena)} <= edgemnv2_stack_limit, "no room for the stack")
}}
"""


def _length(region: MemoryRegion) -> int:
    return region.length


def _end_of_data(data: MemoryRegion, arena: MemoryRegion) -> str:
    """The address behind everything that lies in the stack's region."""
    section = ".arena" if data == arena else ".bss"
    return f"(ADDR({section}) + SIZEOF({section}))"
