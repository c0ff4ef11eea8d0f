"""A network's C name is one everywhere: as identifier, as file name, as header."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.codegen.names import MOST_LETTERS, RESERVED, check_name, name_of
from edgemnv2.errors import UsageError

RUNTIME = Path(__file__).resolve().parents[2] / "edgemnv2" / "runtime"
COMPILERS = {
    "gcc": (),
    "clang": (),
    "aarch64-linux-gnu-gcc": (),
    "arm-linux-gnueabihf-gcc": (),
    "arm-none-eabi-gcc": ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"),
}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "expected a C identifier"),
        ("9x", "expected a C identifier"),
        ("../x", "expected a C identifier"),
        ("größe", "expected a C identifier"),
        ("x" * 64, "has 64 letters, expected at most 63"),
        ("x" * 300, "has 300 letters, expected at most 63"),
        ("stdint", r"stdint\.h would hide .* such as stdint_net"),
        ("string", r"string\.h would hide"),
        ("errno", r"errno\.h would hide"),
        ("String", r"String\.h would hide"),
        ("__stddef_max_align_t", "would hide"),
        ("step_loop", r"step_loop\.h would hide"),
        ("cortex_m_base", r"cortex_m_base\.h would hide"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^name=.*{message}") as caught:
        check_name(name)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", ["net", "_net", "my_net_2", "x" * MOST_LETTERS, "strings_net"])
def test_any_other_is_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("model", ["string", "Errno", "x" * 300, "9" * 80, "...", "mobile-net 2"])
def test_the_name_of_a_model_is_always_a_valid_one(model: str) -> None:
    check_name(name_of(model))
    assert name_of("mobilenetv2-0.35-96-int8") == "mobilenetv2_0_35_96_int8"


@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_header_that_a_compiler_reads_is_reserved(
    compiler: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    """Those that our sources include, and that these include: what a name could hide."""
    tool = [require_tool(compiler), *COMPILERS[compiler]]
    included = {
        header
        for path in RUNTIME.rglob("*.[ch]")
        for header in re.findall(r"^#include <([\w/]+\.h)>", path.read_text(), re.MULTILINE)
    }
    assert "stdint.h" in included
    seen = subprocess.run([*tool, "-E", "-v", "-xc", "/dev/null"], capture_output=True, text=True)
    folders = {
        Path(line.strip()).resolve() for line in seen.stderr.splitlines() if line[:2] == " /"
    }
    read = 0
    for header in sorted(included):
        (tmp_path / "one.c").write_text(f"#include <{header}>\n")
        done = subprocess.run([*tool, "-M", tmp_path / "one.c"], capture_output=True, text=True)
        if done.returncode:
            continue  # not of this C library
        for word in done.stdout.replace("\\\n", " ").split():
            path = Path(word).resolve()
            name = path.name.removesuffix(".h")
            if path.suffix == ".h" and path.parent in folders and re.fullmatch(r"\w+", name):
                read += 1
                reserved = name in RESERVED or name.startswith("__")
                assert reserved, f"{path}, by way of <{header}>"
    assert read > 5


def test_our_own_headers_are_reserved() -> None:
    for path in RUNTIME.rglob("*.h"):
        with pytest.raises(UsageError, match="would hide"):
            check_name(path.stem)
