"""The Arduino library: everything in `src/`, one example; the core is told by predefined macros."""

from __future__ import annotations

from edgemnv2.firmware.parts import Files, Parts

__all__ = ["arduino_files"]

# Arduino compiles for size, and a library cannot say otherwise.
_FAST = b"""\
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif
"""


def arduino_files(parts: Parts) -> Files:
    """Every file of the library."""
    sources = parts.sources("src")
    for path in sources:
        if path.endswith(".c") and not path.endswith("_constants.c"):
            sources[path] = _FAST + sources[path]
    fqbn = str(parts.board.get("arduino", "YOUR_BOARD"))
    note = ""
    if fqbn == "YOUR_BOARD":
        note = " `arduino-cli board listall` has\nthe names to put for YOUR_BOARD."
    return {
        **parts.header("src"),
        **sources,
        **parts.selftest_files("src"),
        **parts.licence(),
        "examples/SelfTest/SelfTest.ino": parts.text("arduino/main.cpp"),
        "library.properties": parts.text("arduino/library.properties"),
        "README.md": parts.text("arduino/README.md", FQBN=fqbn, FQBN_NOTE=note),
    }
