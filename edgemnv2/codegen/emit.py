"""Writes the code of an artefact: a shared library and a bench program, or C99 source."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from edgemnv2.codegen.answers import RUNTIME, answers_headers_needed, answers_source
from edgemnv2.codegen.c_source import kernel_source
from edgemnv2.codegen.camera import CAMERA_FILE, camera_source
from edgemnv2.codegen.cores import CORE_HEADERS, core_source
from edgemnv2.codegen.elf import read_elf
from edgemnv2.codegen.entry import EntryParts, constants_source, entry_source
from edgemnv2.codegen.interface import Interface, exports, header
from edgemnv2.codegen.llvm import build_object
from edgemnv2.codegen.module import emit_module
from edgemnv2.codegen.sections import HOT, hot_header, hot_macro
from edgemnv2.codegen.threads import POOL, ThreadParts, part_kernels, thread_source
from edgemnv2.codegen.toolchain import (
    compile_object,
    has_compiler,
    link_executable,
    link_shared,
    static_differs,
)
from edgemnv2.errors import DoesNotFit, ToolchainError
from edgemnv2.memory.core_plan import CorePlan
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.target import Target

__all__ = ["emit_code"]

STEP_LOOP = "step_loop.h"
PROCESSOR = "processor.h"
VISION = ("camera.py", "decode.py", "draw.py", "geometry.py", "labels.py")
"""What `run.py` imports."""
PAIR_UNROLLS = (16, 8, 4)
"""Pairs of input channels in the unrolled part of the Cortex-M product loop, fastest first: each
halving saves about 1 KiB of code and costs about 1 % of the instructions."""
DUAL_ISSUE = ("cortex-m7",)
"""Cores that begin two instructions in one cycle: their kernels load word by word where that is
free (`cortex_m_tiles.h`)."""


def emit_code(
    parts: EntryParts,
    target: Target,
    folder: Path,
    threads: tuple[ThreadParts, ...] = (),
    code_size_budget: int | None = None,
    source_name: str = "the network",
    plain: Mapping[str, RowKernel] | None = None,
    cores: CorePlan | None = None,
) -> int:
    """Fill `folder` with `include/` and `lib/` (Linux, the web) or `src/` (bare metal).

    `threads`: what each thread count above one adds, on Linux and the web. `code_size_budget`: the
    fastest code of at most so many bytes, on bare metal; DoesNotFit, with `source_name`, when there
    is none.
    `plain`: kernels for browsers without SIMD. `cores`: what two cores of a microcontroller add.

    Returns the bytes of machine code (kernels, step loop, entry points; 0 where no compiler for
    the target is installed to tell).
    """
    name = parts.interface.name
    include = folder / "include"
    include.mkdir()
    (include / f"{name}.h").write_text(header(parts.interface), encoding="utf-8", newline="\n")
    if target.is_bare_metal:
        return _emit_source(parts, target, folder, code_size_budget, source_name, cores)
    if target.is_web:
        return emit_module(parts, target, folder, plain, threads)
    return _emit_library(parts, target, folder, threads)


def write_vision(interface: Interface, folder: Path) -> list[str]:
    """The sources around the network, of its answers and of a camera's rows, with what they
    include; the names of those to compile."""
    name, made = interface.name, []
    answers, camera = interface.answers, interface.camera
    if answers is not None and (answers.has_decoder or answers.task.labels):
        made.append(f"{name}_decode.c")
        (folder / made[-1]).write_text(
            answers_source(answers, name), encoding="utf-8", newline="\n"
        )
        for needed in answers_headers_needed(answers):
            shutil.copy(RUNTIME / "answers" / needed, folder / needed)
    if camera is not None:
        made.append(f"{name}_preprocess.c")
        (folder / made[-1]).write_text(camera_source(camera, name), encoding="utf-8", newline="\n")
        shutil.copy(RUNTIME / CAMERA_FILE, folder / CAMERA_FILE)
    return made


def runtime_file(name: str) -> Path:
    """A file that ships with `edgemnv2.runtime`."""
    return Path(str(resources.files("edgemnv2.runtime") / name))


def _emit_source(
    parts: EntryParts,
    target: Target,
    folder: Path,
    budget: int | None,
    source_name: str,
    cores: CorePlan | None,
) -> int:
    name = parts.interface.name
    source = folder / "src"
    source.mkdir()
    text = entry_source(parts, incbin=False)
    if cores is not None:
        text += core_source(parts, cores)
        for needed in CORE_HEADERS:
            shutil.copy(runtime_file(needed), source / needed)
    (source / f"{name}.c").write_text(text, encoding="utf-8", newline="\n")
    (source / f"{name}_constants.c").write_text(
        constants_source(name, parts.constants), encoding="utf-8", newline="\n"
    )
    write_vision(parts.interface, source)
    shutil.copy(runtime_file(STEP_LOOP), source / STEP_LOOP)
    for required in _kernel_headers(parts):
        text = runtime_file(f"kernels/{required}").read_text(encoding="utf-8")
        (source / required).write_text(hot_header(text), encoding="utf-8", newline="\n")
    sizes = []
    for unroll in PAIR_UNROLLS:
        (source / f"{name}_kernels.c").write_text(
            _kernel_file(parts, target, unroll), encoding="utf-8", newline="\n"
        )
        try:
            sizes.append(_compiled_bytes(name, target, folder))
        except ToolchainError:
            # Without the compiler there is source all the same, only no size to tell.
            if budget is None and not has_compiler(target):
                return 0
            raise
        if budget is None or sizes[-1] <= budget:
            return sizes[-1]
    raise DoesNotFit(
        f"code_size_budget={budget}: the smallest code for {source_name} on "
        f"{target.name} has {min(sizes)} bytes (a network with fewer kinds of layers needs less)"
    )


def _compiled_bytes(name: str, target: Target, folder: Path) -> int:
    """Bytes of machine code of the entry and the kernels in `folder/src`."""
    with tempfile.TemporaryDirectory() as temporary:
        total = 0
        for stem in (name, f"{name}_kernels"):
            obj = Path(temporary) / f"{stem}.o"
            flags = [f"-I{folder / 'include'}", "-O3"]
            compile_object(target, folder / "src" / f"{stem}.c", obj, flags)
            total += _code_bytes(obj)
    return total


def _kernel_headers(parts: EntryParts) -> list[str]:
    """Runtime headers that the kernels include, and those that these include in turn."""
    waiting = sorted({h for k in parts.kernels.values() for h in k.c_requires})
    found: set[str] = set()
    while waiting:
        required = waiting.pop()
        found.add(required)
        text = runtime_file(f"kernels/{required}").read_text(encoding="utf-8")
        waiting += sorted(set(re.findall(r'^#include "(.+)"', text, re.MULTILINE)) - found)
    return sorted(found)


def _kernel_file(parts: EntryParts, target: Target, pair_unroll: int) -> str:
    name = parts.interface.name
    requires = sorted({h for k in parts.kernels.values() for h in k.c_requires})
    fastest = pair_unroll == PAIR_UNROLLS[0]
    unroll = [] if fastest else [f"#define EDGEMNV2_PAIR_UNROLL {pair_unroll}"]
    if target.cpu.core in DUAL_ISSUE:
        unroll.append("#define EDGEMNV2_DUAL_ISSUE 1")
    sources = kernel_source(parts.kernels, name)
    prototypes = [f"{HOT} {text.split('{', 1)[0].strip()};" for text in sources.values()]
    return "\n".join(
        [
            f"/* {name}: one function per kind and shape of layer, made by edgemnv2. */",
            "#include <stdbool.h>",
            "#include <stdint.h>",
            *unroll,
            *hot_macro(name),
            *(f'#include "{header_name}"' for header_name in requires),
            "",
            *prototypes,
            "",
            *sources.values(),
        ]
    )


def library_source(parts: EntryParts, threads: tuple[ThreadParts, ...]) -> str:
    """The entry source of a Linux artefact."""
    text = entry_source(parts, incbin=True, wide=bool(threads))
    if not threads:
        return text
    # For syscall().
    return "#define _GNU_SOURCE\n" + text + thread_source(parts, threads)


def _emit_library(
    parts: EntryParts, target: Target, folder: Path, threads: tuple[ThreadParts, ...]
) -> int:
    name = parts.interface.name
    library = folder / "lib"
    library.mkdir()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        kernels = {**parts.kernels, **part_kernels(threads)}
        build_object(kernels, target, name, work / "kernels.o")
        (work / f"{name}.c").write_text(
            library_source(parts, threads), encoding="utf-8", newline="\n"
        )
        (work / "constants.bin").write_bytes(parts.constants.data)
        for runtime in (STEP_LOOP, POOL, PROCESSOR, "bench_main.c", "artifact_names.h"):
            shutil.copy(runtime_file(runtime), work / runtime)
        flags = [
            f"-I{folder / 'include'}",
            # In a C string, where a backslash of Windows would begin an escape.
            f'-DEDGEMNV2_CONSTANTS_FILE="{(work / "constants.bin").as_posix()}"',
        ]
        # What refuses a processor must run on it.
        plain = bool(parts.interface.needs)
        compile_object(target, work / f"{name}.c", work / "entry.o", flags, plain=plain)
        objects = [work / "entry.o", work / "kernels.o"]
        vision = []
        for source in write_vision(parts.interface, work):
            vision.append(work / f"{Path(source).stem}.o")
            compile_object(target, work / source, vision[-1], flags)
        link_shared(
            target,
            [*objects, *vision],
            library / f"lib{name}.so",
            exports(parts.interface),
        )
        entry = objects[0]
        if static_differs(target):
            entry = work / "entry_static.o"
            compile_object(target, work / f"{name}.c", entry, flags, static=True, plain=plain)
        main = [*flags, f"-DEDGEMNV2_NAME={name}", f"-DEDGEMNV2_UPPER={name.upper()}"]
        main.append(f'-DEDGEMNV2_HEADER="{name}.h"')
        main += ["-DEDGEMNV2_THREADS"] if threads else []
        compile_object(
            target, work / "bench_main.c", work / "main.o", main, static=True, plain=plain
        )
        link_executable(
            target,
            [work / "main.o", entry, work / "kernels.o"],
            folder / "bench",
        )
        shutil.copy(runtime_file("run.py"), folder / "run.py")
        (folder / "vision").mkdir()
        for module in VISION:
            shutil.copy(runtime_file(f"vision/{module}"), folder / "vision" / module)
        return sum(_code_bytes(obj) for obj in objects)


def _code_bytes(path: Path) -> int:
    return sum(section.size_bytes for section in read_elf(path).sections if section.is_code)
