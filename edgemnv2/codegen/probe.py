"""Whether a C compiler that is installed works: it compiles and links a probe program.

One that cannot is as good as missing: a cross gcc without the headers of its C library (Debian's
`gcc-aarch64-linux-gnu` only recommends them), one that is too old for the core, a file of another
machine's format, a wrapper that ends with 0 and writes nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

__all__ = ["first_error", "installed", "problem_of"]

# The headers that generated code and our programs include.
_PROGRAM = """\
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void);
int main(void)
{
    int8_t bytes[4];
    memset(bytes, 1, sizeof bytes);
    return bytes[3] - 1;
}
"""
_SECONDS = 60
"""After this a compiler is believed to hang; it takes a tenth of a second."""

# A line of a compiler's or linker's output that has one of these says what is wrong.
_TELLING = ("error:", "undefined", "will not fit", "overflowed", "overlaps", "no room")
_NO_ROOM = ("No space left", "File too large", "quota exceeded")
"""Of the disk: then nothing else that a tool says is the cause."""


def installed(name: str) -> Iterator[str]:
    """Every program of that name in the folders of PATH, in their order."""
    for folder in os.get_exec_path():
        path = shutil.which(name, path=folder)
        if path is not None:
            yield path


def problem_of(path: str, flags: Sequence[str]) -> str:
    """Why the compiler `path` cannot make a program with `flags`; "" where it can.

    Asked once a process for each compiler and its flags.
    """
    try:
        changed = Path(path).stat().st_mtime_ns
    except OSError as error:
        return str(error.strerror)
    return _problem_of(path, changed, tuple(flags))


@cache
def _problem_of(path: str, changed_ns: int, flags: tuple[str, ...]) -> str:
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
        source, program = Path(folder) / "probe.c", Path(folder) / "probe"
        source.write_text(_PROGRAM, encoding="utf-8", newline="\n")
        command = [path, *flags, str(source), "-o", str(program)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                text=True,
                errors="replace",
                env={**os.environ, "LC_ALL": "C"},
                timeout=_SECONDS,
            )
        except OSError as error:
            return f"cannot be run ({error.strerror})"
        except subprocess.TimeoutExpired:
            return f"does not end within {_SECONDS} s"
        if done.returncode:
            reason = first_error(done.stderr + done.stdout).replace(f"{folder}/", "")
            return f"cannot compile a program ({reason})"
        if not program.is_file() or program.stat().st_size == 0:
            return "compiles, it says, and writes nothing"
    return ""


def first_error(said: str) -> str:
    """The first line of a tool's output that tells what is wrong, else the last one."""
    lines = said.strip().splitlines() or ["no message"]
    full = [line for line in lines if any(word in line for word in _NO_ROOM)]
    if full:
        return full[0].strip()
    telling = [line for line in lines if any(word in line for word in _TELLING)]
    return next((line for line in telling if "collect2" not in line), lines[-1]).strip()
