"""The CMSIS-Pack: description, files, and the installable `.pack` made of both."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from edgemnv2.firmware.archive import make_zip
from edgemnv2.firmware.parts import Files, Parts

__all__ = ["cmsis_pack_files"]

# Cores with MVE, as PACK.xsd spells them; other code runs on every Cortex-M that compilers name.
_MVE_CORES = ("Cortex-M52", "Cortex-M55", "Cortex-M85")
_CORES = (
    "Cortex-M0",
    "Cortex-M0+",
    "Cortex-M23",
    "Cortex-M3",
    "Cortex-M33",
    "Cortex-M35P",
    "Cortex-M4",
    "Cortex-M7",
    *_MVE_CORES,
)


def cmsis_pack_files(parts: Parts) -> Files:
    """Every file of the pack, and the pack itself."""
    network = {**parts.header("include"), **parts.sources("src")}
    selftest = parts.selftest_files("selftest")
    has_mve = parts.artifact.target.has("mve")
    pack = f"edgemnv2.{parts.name}.{parts.version}.pack"
    description = parts.text(
        "cmsis-pack/package.pdsc",
        CORES="\n".join(
            f'      <accept Dcore="{core}"/>' for core in (_MVE_CORES if has_mve else _CORES)
        ),
        NETWORK_FILES=_file_list(network),
        SELFTEST_FILES=_file_list(selftest),
    )
    files = {
        **network,
        **selftest,
        **parts.licence(),
        "examples/main_board.c": parts.c("board/main_board.c"),
        "examples/board.h": parts.c("board/board.h"),
        f"edgemnv2.{parts.name}.pdsc": description,
        "README.md": parts.text("cmsis-pack/README.md", PACK=pack),
    }
    return {**files, pack: make_zip(files)}


def _file_list(files: Files) -> str:
    lines = []
    for path in sorted(files):
        category = "sourceC" if path.endswith(".c") else "header"
        lines.append(f'        <file category="{category}" name={quoteattr(path)}/>')
    return "\n".join(lines)
