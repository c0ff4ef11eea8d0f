"""The PlatformIO library, with an example project that tests itself."""

from __future__ import annotations

from edgemnv2.firmware.parts import Files, Parts

__all__ = ["platformio_files"]

_UNKNOWN = {"platform": "YOUR_PLATFORM", "board": "YOUR_BOARD"}


def platformio_files(parts: Parts) -> Files:
    """Every file of the library."""
    board = parts.board.get("platformio", _UNKNOWN)
    note = ""
    if board is _UNKNOWN:
        note = "\nFirst name your board in `platformio.ini` (`pio boards` lists them).\n"
    return {
        **parts.header("src"),
        **parts.sources("src"),
        **parts.selftest_files("src"),
        **parts.licence(),
        "examples/SelfTest/src/main.cpp": parts.text("arduino/main.cpp"),
        "examples/SelfTest/platformio.ini": parts.text(
            "platformio/platformio.ini", PIO_PLATFORM=board["platform"], PIO_BOARD=board["board"]
        ),
        "library.json": parts.text("platformio/library.json"),
        "README.md": parts.text("platformio/README.md", PIO_NOTE=note),
    }
