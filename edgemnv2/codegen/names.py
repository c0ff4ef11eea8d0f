"""The name that a network has in C: prefix of all symbols, and of the files that are written."""

from __future__ import annotations

import re

from edgemnv2.codegen.interface import c_identifier
from edgemnv2.errors import UsageError

__all__ = ["MOST_LETTERS", "RESERVED", "check_name", "name_of"]

MOST_LETTERS = 63
"""As many as C99 (5.2.4.1) tells apart in an identifier; file names get a few more, of 255."""

# `<name>.h` lies in a folder that users put before their C library's: it would be found instead of
# the header of that name, by the library itself as well.
_STANDARD = """
assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign
stdarg stdatomic stdbit stdbool stdckdint stddef stdint stdio stdlib stdnoreturn string tgmath
threads time uchar wchar wctype
"""
_POSIX = """
aio cpio dirent dlfcn fcntl fmtmsg fnmatch ftw glob grp iconv langinfo libgen monetary mqueue ndbm
netdb nl_types poll pthread pwd regex sched search semaphore spawn strings stropts syslog tar
termios trace ulimit unistd utime utmpx wordexp
"""
# What glibc, musl and newlib include themselves, and compilers bring.
_INTERNAL = """
_ansi _newlib_version _syslist alloca byteswap elf endian envz execinfo features getopt link malloc
memory mm_malloc newlib paths reent stdc_predef unwind values xlocale
cpuid arm_acle arm_bf16 arm_cde arm_fp16 arm_mve arm_mve_types arm_neon
"""
# Ours, beside the generated sources.
_OWN = """
answer_boxes answer_classes answer_embedding answer_grid answer_pixels answer_two_classes
answer_values artifact_names camera_rows edgemnv2_cores processor qemu_plugin semihosting
serial_protocol step_loop thread_pool two_cores web_pool
"""
RESERVED = frozenset(" ".join([_STANDARD, _POSIX, _INTERNAL, _OWN]).split())


def check_name(name: str) -> None:
    """Raise UsageError for a name that cannot be one."""
    shown = name if len(name) <= MOST_LETTERS else f"{name[:20]}…"
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise UsageError(f"name={shown}: expected a C identifier, such as my_net")
    if len(name) > MOST_LETTERS:
        raise UsageError(f"name={shown}: has {len(name)} letters, expected at most {MOST_LETTERS}")
    if _is_reserved(name):
        raise UsageError(
            f"name={name}: {name}.h would hide the compiler's header of that name "
            f"(choose another, such as {name}_net)"
        )


def name_of(model: str) -> str:
    """The C name of a network called `model`, where the user gives none; always a valid one."""
    name = c_identifier(model)[:MOST_LETTERS]
    return f"{name}_net" if _is_reserved(name) else name


def _is_reserved(name: str) -> bool:
    # File systems that ignore case find `String.h` for `string.h`, too. What begins with two
    # underlines is the compiler's own.
    return name.lower() in RESERVED or name.lower().startswith(("cortex_m_", "__"))
