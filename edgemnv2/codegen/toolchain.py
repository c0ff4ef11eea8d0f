"""C compilers and linkers for every target: which one this machine has, and how it is called.

Linux targets: the target's own gcc where it is installed and works, else the clang and lld inside
`ziglang` from PyPI, so that no system package is needed; WebAssembly always with those, which bring
the headers and the mathematics of wasi-libc. Bare metal: `arm-none-eabi-gcc`,
`riscv64-unknown-elf-gcc`, or a compiler of the user's own.

Outputs hold no path, date or build id, so two builds of one input are byte-identical. A shared
library is linked against nothing: the few libc symbols that it uses (memcpy, expf, pthread_create)
are found in the program that loads it, whatever the age of the device's glibc.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from edgemnv2.codegen.probe import first_error, installed, problem_of
from edgemnv2.errors import ToolchainError
from edgemnv2.target import SHARED_MEMORY, Target

__all__ = [
    "Compiler",
    "compile_object",
    "compiler_problem",
    "find_compiler",
    "has_compiler",
    "host_compiler",
    "link_executable",
    "link_module",
    "link_shared",
    "plainest",
    "static_differs",
    "system_of",
]

# Candidates by instruction set; the package is Debian's name, for the message.
_GCC = {
    "x86_64": ("x86_64-linux-gnu-gcc", "gcc libc6-dev"),
    "aarch64": ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
    "armv7a": ("arm-linux-gnueabihf-gcc", "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross"),
    "riscv64": ("riscv64-linux-gnu-gcc", "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross"),
    "thumb": ("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi"),
    "riscv32": (
        "riscv64-unknown-elf-gcc",
        "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    ),
}
_C_LIBRARY = {"thumb": "--specs=nano.specs", "riscv32": "--specs=picolibc.specs"}
"""Newlib's small one for Arm, picolibc, which is all that Debian has, for RISC-V."""
_NATIVE_ISA = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_ZIG_ARCH = {
    "x86_64": ("x86_64", ""),
    "aarch64": ("aarch64", ""),
    "armv7a": ("arm", "eabihf"),
    "riscv64": ("riscv64", ""),
}
# The oldest glibc that objects are compiled for: Debian 10, all 64-bit Raspberry Pi OS releases.
_GLIBC = "2.28"

PROGRAM_STACK_BYTES = 1 << 20
"""Of a WebAssembly program, which prints and reads files."""
MODULE_STACK_BYTES = 1 << 16
"""Of a WebAssembly module, which does neither: one page."""

_REPRODUCIBLE = ("-fno-ident", "-g0", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables")


@dataclass(frozen=True)
class Compiler:
    """A C compiler as the first words of a command; `kind` is "gcc" or "zig"."""

    command: tuple[str, ...]
    kind: str

    def version(self) -> str:
        """The first line of `--version`, for provenance."""
        command = self.command if self.kind == "gcc" else (*self.command, "cc")
        result = subprocess.run([*command, "--version"], capture_output=True, text=True)
        return result.stdout.splitlines()[0] if result.stdout else "unknown"


def find_compiler(target: Target) -> Compiler:
    """The first compiler for `target` that works.

    ToolchainError names what is wrong with those that are installed, and the package to install.
    """
    isa = target.cpu.isa
    if target.is_web:
        if find_spec("ziglang"):
            return Compiler((sys.executable, "-m", "ziglang"), "zig")
        raise ToolchainError(f"target {target.name}: no C compiler (pip install ziglang)")
    if isa not in _GCC:
        raise ToolchainError(
            f"target {target.name}: its code is C99 for a compiler of your own, which this machine "
            "does not know (compile the files in src/ with it)"
        )
    cross, package = _GCC[isa]
    # Other systems' own compilers may be anything; the one inside ziglang is known.
    names = [cross] if target.is_bare_metal or system_of(target) == "linux" else []
    if names and _NATIVE_ISA.get(platform.machine()) == isa:
        names += ["gcc"]
    found = [Compiler((path,), "gcc") for name in names for path in installed(name)]
    problems = []
    for compiler in found:
        problem = problem_of(compiler.command[0], _program_flags(target, compiler))
        if not problem:
            return compiler
        problems.append(f"{compiler.command[0]} {problem}")
    if not target.is_bare_metal and find_spec("ziglang"):
        return Compiler((sys.executable, "-m", "ziglang"), "zig")
    remedy = f"apt install {package}"
    if not target.is_bare_metal:
        remedy = f"{remedy}, or pip install ziglang" if names else "pip install ziglang"
    raise ToolchainError(
        f"target {target.name}: no C compiler, "
        f"{'; '.join(problems) or f'{cross} is not installed'} ({remedy})"
    )


def system_of(target: Target) -> str:
    """What programs of `target` run on: "linux", or "windows" or "macos" where that is this one."""
    triple = target.toolchain.triple
    return next((x for x in ("windows", "macos") if x in triple), "linux")


def has_compiler(target: Target) -> bool:
    """Whether there is a compiler for `target` that works."""
    try:
        find_compiler(target)
    except ToolchainError:
        return False
    return True


def host_compiler() -> Compiler:
    """The compiler for this machine's own programs (the emulator's plugin)."""
    problems = []
    for name in ("cc", "gcc", "clang"):
        for path in installed(name):
            problem = problem_of(path, ())
            if not problem:
                return Compiler((path,), "gcc")
            problems.append(f"{path} {problem}")
    if find_spec("ziglang"):
        return Compiler((sys.executable, "-m", "ziglang"), "zig")
    raise ToolchainError(
        f"this machine has no C compiler{''.join(f'; {text}' for text in problems)} "
        "(apt install gcc libc6-dev, or pip install ziglang)"
    )


def compiler_problem(name: str, target: Target | None) -> tuple[str, str] | None:
    """The first program `name` in PATH and what is wrong with it ("" for nothing); None: no such.

    Asked to compile for `target`, or for this machine.
    """
    path = next(installed(name), None)
    if path is None:
        return None
    flags = () if target is None else _program_flags(target, Compiler((path,), "gcc"))
    return path, problem_of(path, flags)


def _program_flags(target: Target, compiler: Compiler) -> list[str]:
    """Flags with which a whole program is compiled and linked, without a linker script."""
    flags = list(cpu_flags(target, compiler, static=True))
    if target.is_bare_metal:
        flags += [] if _C_LIBRARY[target.cpu.isa] in flags else [_C_LIBRARY[target.cpu.isa]]
        return [*flags, "-nostartfiles", "-ffreestanding", "-Wl,--entry=main"]
    return [*flags, "-static", "-pthread", "-lm"]


def cpu_flags(target: Target, compiler: Compiler, *, static: bool = False) -> tuple[str, ...]:
    """The flags that name the core and the ABI; `static` picks musl where the compiler is zig's."""
    isa, mcpu = target.cpu.isa, target.toolchain.mcpu
    if target.is_web:
        # Without the target's features: C is what surrounds kernels, and zig would compile its C
        # library anew for each set of them. Those of a shared memory all objects must have.
        more = [x.replace("-", "_") for x in target.toolchain.mattr if x in SHARED_MEMORY]
        return ("-target", "wasm32-wasi", "".join([f"-mcpu={mcpu}", *more]))
    if isa == "riscv64":
        # What is around the kernels needs no vectors, and runs where there are none.
        mcpu = "baseline-rv64" if compiler.kind == "zig" else "rv64gc"
    if compiler.kind == "zig":
        arch, abi = _ZIG_ARCH[isa]
        system = f"linux-musl{abi}" if static else f"linux-gnu{abi}.{_GLIBC}"
        system = {"windows": "windows-gnu", "macos": "macos"}.get(system_of(target), system)
        return ("-target", f"{arch}-{system}", f"-mcpu={mcpu.replace('-', '_')}")
    if isa == "x86_64":
        return (f"-march={mcpu}",)
    if isa == "aarch64":
        return (f"-mcpu={mcpu}",)
    if isa == "armv7a":
        fpu = "neon-vfpv4" if target.has("vfp4") else "neon"
        return (f"-mcpu={mcpu}", f"-mfpu={fpu}", f"-mfloat-abi={target.toolchain.float_abi}")
    if isa == "riscv64":
        return (f"-march={mcpu}", "-mabi=lp64d")
    if isa == "riscv32":
        abi = "ilp32f" if target.toolchain.float_abi == "hard" else "ilp32"
        # The library's headers come with its specs.
        return (f"-march={mcpu}", f"-mabi={abi}", _C_LIBRARY[isa])
    return ("-mthumb", f"-mcpu={mcpu}", f"-mfloat-abi={target.toolchain.float_abi}")


def static_differs(target: Target) -> bool:
    """Whether an object for a static program is another than one for a shared library.

    With zig it is: the C libraries differ.
    """
    compiler = find_compiler(target)
    return cpu_flags(target, compiler, static=True) != cpu_flags(target, compiler)


def plainest(target: Target) -> Target:
    """The first processor of the instruction set; on 32-bit Arm the target itself."""
    mcpu = {"x86_64": "x86-64", "aarch64": "generic"}.get(target.cpu.isa, target.toolchain.mcpu)
    return replace(target, toolchain=replace(target.toolchain, mcpu=mcpu))


def compile_object(
    target: Target,
    source: Path,
    output: Path,
    flags: Sequence[str] = (),
    *,
    static: bool = False,
    plain: bool = False,
) -> None:
    """Compile one C file to a relocatable object, position-independent on Linux.

    `static`: the object goes into `link_executable` (with zig that is another C library). `plain`:
    it runs on every processor of the instruction set, of whatever age.
    Raises ToolchainError with the compiler's first error.
    """
    if plain:
        target = plainest(target)
    compiler = find_compiler(target)
    command = [*compiler.command, *(["cc"] if compiler.kind == "zig" else [])]
    command += [*cpu_flags(target, compiler, static=static), "-std=c99", "-O2"]
    command += ["-ffunction-sections", "-fdata-sections", *_REPRODUCIBLE]
    command += [f"-ffile-prefix-map={source.resolve().parent}=."]
    if not target.is_bare_metal and not target.is_web and system_of(target) == "linux":
        command += ["-fPIC", "-pthread"]
    if compiler.kind == "zig":
        # zig's debug checks would call into a run-time library of its own.
        command += ["-fno-sanitize=all", "-fno-stack-protector"]
    _run([*command, *flags, "-c", str(source), "-o", str(output)], output, source.name)


def link_shared(
    target: Target, objects: Sequence[Path], output: Path, exports: Sequence[str]
) -> None:
    """Link a stripped shared library whose dynamic symbols are exactly `exports`."""
    compiler = find_compiler(target)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "exports.map"
        script.write_text(
            f"{{ global: {' '.join(f'{e};' for e in sorted(exports))} local: *; }};\n",
            encoding="utf-8",
            newline="\n",
        )
        soname = output.name
        files = [str(o) for o in objects]
        linker = [f"--version-script={script}", "--gc-sections", "--build-id=none", "-s"]
        if compiler.kind == "gcc":
            command = [*compiler.command, *cpu_flags(target, compiler), "-shared", "-nostdlib"]
            # Not by -Wl, which takes a comma in the script's path for the end of a flag.
            for flag in (*linker, f"-soname={soname}", "-z", "noexecstack"):
                command += ["-Xlinker", flag]
            command += [*files, "-lgcc", "-o", str(output)]
        elif target.cpu.isa == "armv7a":
            # Armv7 has no 64-bit division: helper routines must come along, which lld alone
            # would leave undefined.
            flags = cpu_flags(target, compiler)
            command = [*compiler.command, "build-lib", "-dynamic", *flags, "-fcompiler-rt"]
            command += ["-OReleaseSmall", "-fstrip", "--gc-sections", f"-fsoname={soname}"]
            command += ["--version-script", str(script), *files, f"-femit-bin={output}"]
        else:
            command = [*compiler.command, "ld.lld", "-shared", *linker, f"-soname={soname}"]
            command += ["-z", "noexecstack", *files, "-o", str(output)]
        _run(command, output, output.name)


def link_executable(
    target: Target,
    objects: Sequence[Path],
    output: Path,
    *,
    linker_script: Path | None = None,
    strip: bool = False,
) -> None:
    """Link a program: static on Linux; on bare metal by `linker_script`, without start files.

    Debug information goes in any case; `strip` removes all symbols, which the emulator's
    per-function counts need.
    """
    compiler = find_compiler(target)
    command = [*compiler.command, *(["cc"] if compiler.kind == "zig" else [])]
    command += cpu_flags(target, compiler, static=True)
    if target.is_web:
        flags = ["-Wl,--strip-all", f"-Wl,-z,stack-size={PROGRAM_STACK_BYTES}"]
        _run([*command, *flags, *map(str, objects), "-o", str(output)], output, output.name)
        return
    if system_of(target) != "linux":
        # Formats of their own; nothing but this machine runs them.
        _run([*command, *map(str, objects), "-o", str(output)], output, output.name)
        return
    command += ["-Wl,--gc-sections", "-Wl,--build-id=none", "-s" if strip else "-Wl,-S"]
    if target.is_bare_metal:
        command += ["-nostartfiles", "-ffreestanding", "-T", str(linker_script)]
        # newlib's own system calls are never used; nosys would warn about each of them.
        specs = _C_LIBRARY[target.cpu.isa]
        command += [*([] if specs in command else [specs]), *map(str, objects)]
        command += ["-lm", "-lc", "-lgcc"]
    else:
        command += ["-static", *map(str, objects), "-pthread", "-lm"]
    _run([*command, "-o", str(output)], output, output.name)


def link_module(target: Target, objects: Sequence[Path], output: Path) -> None:
    """Link a stripped WebAssembly module without imports, its stack below all data.

    With shared memory that memory is imported.

    What is exported says the source. A stack that overflows so leaves the memory, which traps.
    """
    compiler = find_compiler(target)
    command = [*compiler.command, "cc", *cpu_flags(target, compiler), "-mexec-model=reactor"]
    command += ["-Wl,--gc-sections", "-Wl,--strip-all", f"-Wl,-z,stack-size={MODULE_STACK_BYTES}"]
    if set(SHARED_MEMORY) <= set(target.toolchain.mattr):
        # The page brings the memory, and sets the stack of every instance but the first.
        command += ["-Wl,--import-memory", "-Wl,--shared-memory", "-Wl,--export=__stack_pointer"]
        command += [f"-Wl,--max-memory={target.ram_bytes}"]
    command += [*map(str, objects), "-o", str(output)]
    _run(command, output, output.name)


def _run(command: Sequence[str], output: Path, what: str) -> None:
    """Run a tool that makes `output`; ToolchainError quotes the first line that says error."""
    tool = Path(command[0]).name if "ziglang" not in command else f"ziglang {command[3]}"
    environment = {**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"}
    try:
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise ToolchainError(f"{what}: {command[0]} cannot be run ({error.strerror})") from error
    if result.returncode:
        said = first_error(result.stderr + result.stdout)
        raise ToolchainError(f"{what}: {tool} failed: {said}")
    if not output.is_file():
        raise ToolchainError(f"{what}: {tool} ended without an error and wrote nothing")
