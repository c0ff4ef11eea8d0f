"""The Zephyr module: `zephyr/module.yml`, Kconfig, CMake, and a sample that tests itself.

`west.yml` makes a workspace of it, with Zephyr's own sources beside.
"""

from __future__ import annotations

from edgemnv2.firmware.fit import flash_bytes, ram_bytes
from edgemnv2.firmware.parts import Files, Parts

__all__ = ["zephyr_files"]

# The kernel with a UART console takes less on every Cortex-M.
KERNEL_FLASH_KIB = 32
KERNEL_RAM_KIB = 8


def zephyr_files(parts: Parts) -> Files:
    """Every file of the module."""
    artifact = parts.artifact
    sources = sorted(n for n in parts.sources("../src") if n.endswith(".c"))
    board = str(parts.board.get("zephyr", "YOUR_BOARD"))
    known = board != "YOUR_BOARD"
    platforms = f"    integration_platforms:\n      - {board}\n" if known else ""
    note = "" if known else " `west boards`\nlists the names to put for YOUR_BOARD."
    flash, ram = flash_bytes(artifact, parts.selftest), ram_bytes(artifact)
    return {
        **parts.header("include"),
        **parts.sources("src"),
        **parts.selftest_files("selftest"),
        **parts.licence(),
        "west.yml": parts.text("zephyr/west.yml"),
        "zephyr/module.yml": parts.text("zephyr/module.yml"),
        "zephyr/Kconfig": parts.text("zephyr/Kconfig", ARENA=str(artifact.arena_bytes)),
        "zephyr/CMakeLists.txt": parts.text(
            "zephyr/CMakeLists.txt", SOURCES="\n".join(f"    {name}" for name in sources)
        ),
        "samples/selftest/CMakeLists.txt": parts.text("zephyr/sample_CMakeLists.txt"),
        "samples/selftest/prj.conf": parts.text("zephyr/prj.conf"),
        "samples/selftest/sample.yaml": parts.text(
            "zephyr/sample.yaml",
            PLATFORMS=platforms,
            RAM_KIB=str(_kib(ram) + KERNEL_RAM_KIB),
            FLASH_KIB=str(_kib(flash) + KERNEL_FLASH_KIB),
        ),
        "samples/selftest/src/main.c": parts.c("zephyr/main.c"),
        "README.md": parts.text("zephyr/README.md", ZEPHYR_BOARD=board, BOARD_NOTE=note),
    }


def _kib(size_bytes: int) -> int:
    return -(-size_bytes // 1024)
