"""The component of ESP-IDF: its manifest, its CMake, and an example project that tests itself."""

from __future__ import annotations

import re

from edgemnv2.firmware.parts import Files, Parts

__all__ = ["esp_idf_files"]

_EXAMPLE = "examples/selftest"

_IRAM = ".iram1.edgemnv2"
"""Of every chip that ESP-IDF knows: `IRAM_ATTR`."""


def esp_idf_files(parts: Parts) -> Files:
    """Every file of the component."""
    sources = sorted(n for n in parts.sources("src") if n.endswith(".c"))
    target = parts.board.get("idf_target")
    note = "" if target else "\n`idf.py --list-targets` has the names to put for YOUR_TARGET.\n"
    return {
        **parts.header("include"),
        **parts.sources("src"),
        **parts.selftest_files("selftest"),
        **parts.licence(),
        "CMakeLists.txt": parts.text(
            "esp-idf/CMakeLists.txt",
            SOURCES="\n".join(f"        {name}" for name in sources),
            CODE_SECTION=str(parts.board.get("code_section", _IRAM)),
        ),
        "idf_component.yml": parts.text("esp-idf/idf_component.yml"),
        f"{_EXAMPLE}/CMakeLists.txt": parts.text("esp-idf/example_CMakeLists.txt"),
        f"{_EXAMPLE}/sdkconfig.defaults": parts.text("esp-idf/sdkconfig.defaults"),
        f"{_EXAMPLE}/main/CMakeLists.txt": parts.text("esp-idf/main_CMakeLists.txt"),
        f"{_EXAMPLE}/main/idf_component.yml": parts.text(
            "esp-idf/main_idf_component.yml", PACKAGE=f"edgemnv2/{_slug(parts.name)}"
        ),
        f"{_EXAMPLE}/main/main.c": parts.c("esp-idf/main.c"),
        "README.md": parts.text(
            "esp-idf/README.md", IDF_TARGET=str(target or "YOUR_TARGET"), TARGET_NOTE=note
        ),
    }


def _slug(name: str) -> str:
    """A name as the component manager takes it: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
