"""Where a board's linker puts things: section macros in the C of microcontrollers.

`<NAME>_ARENA_SECTION`, `<NAME>_CONSTANTS_SECTION` and `<NAME>_CODE_SECTION` name sections of the
user's linker script or SDK, such as tightly coupled memory, external flash or PSRAM. Undefined,
they change nothing.
"""

from __future__ import annotations

import re

__all__ = ["HOT", "constants_place", "hot_header", "hot_macro", "sections_header"]

HOT = "EDGEMNV2_HOT"
_STATIC = re.compile(r"\bstatic(?= (?:inline )?(?:void|int32_t)\b|$)", re.MULTILINE)


def sections_header(name: str) -> list[str]:
    """The part of the public header about sections."""
    upper = name.upper()
    return [
        "/* Where things lie, with compilers that know GCC's attributes. Compile src/ with",
        f" * -D{upper}_CONSTANTS_SECTION='\".extflash\"' to move the weights, or with",
        f" * -D{upper}_CODE_SECTION='\".itcm\"' to move the code of the kernels;",
        f" * {upper}_ARENA_MEMORY goes before the definition of an arena: it aligns it, and puts",
        f" * it into {upper}_ARENA_SECTION where that is defined. */",
        f"#ifdef {upper}_ARENA_SECTION",
        f"#define {upper}_ARENA_MEMORY \\",
        f"  __attribute__((aligned({upper}_ARENA_ALIGN), section({upper}_ARENA_SECTION)))",
        "#elif defined(__GNUC__)",
        f"#define {upper}_ARENA_MEMORY __attribute__((aligned({upper}_ARENA_ALIGN)))",
        "#endif",
        "",
    ]


def constants_place(name: str) -> list[str]:
    """Lines before the definition of the constants."""
    macro = f"{name.upper()}_CONSTANTS_SECTION"
    return [f"#ifdef {macro}", f"__attribute__((section({macro})))", "#endif"]


def hot_macro(name: str) -> list[str]:
    """Lines that define what stands before every function of the kernels."""
    macro = f"{name.upper()}_CODE_SECTION"
    return [
        f"#ifdef {macro}",
        f"#define {HOT} __attribute__((section({macro})))",
        "#else",
        f"#define {HOT}",
        "#endif",
    ]


def hot_header(text: str) -> str:
    """A micro-kernel header whose functions stand in the section of the code, if one is named."""
    return _STATIC.sub(f"{HOT} static", text)
