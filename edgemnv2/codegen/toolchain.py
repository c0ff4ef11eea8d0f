"""C compilers and linkers for every target: which one this machine has, and how it is called.

Linux targets: the target's own gcc where it is installed, else the clang and lld inside `ziglang`
from PyPI, so that no system package is needed. Bare metal: `arm-none-eabi-gcc`.

Outputs hold no path, date or build id, so two builds of one input are byte-identical. A shared
library is linked against nothing: the few libc symbols that it uses (memcpy, expf, pthread_create)
are found in the program that loads it, whatever the age of the device's glibc.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from edgemnv2.errors import ToolchainError
from edgemnv2.target import Target

__all__ = [
    "Compiler",
    "compile_object",
    "find_compiler",
    "host_compiler",
    "link_executable",
    "link_shared",
]

# Candidates by instruction set; the package is Debian's name, for the message.
_GCC = {
    "x86_64": ("x86_64-linux-gnu-gcc", "gcc"),
    "aarch64": ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
    "armv7a": ("arm-linux-gnueabihf-gcc", "gcc-arm-linux-gnueabihf"),
    "thumb": ("arm-none-eabi-gcc", "gcc-arm-none-eabi and libnewlib-arm-none-eabi"),
}
_NATIVE_ISA = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_ZIG_ARCH = {
    "x86_64": ("x86_64", ""),
    "aarch64": ("aarch64", ""),
    "armv7a": ("arm", "eabihf"),
}
# The oldest glibc that objects are compiled for: Debian 10, all 64-bit Raspberry Pi OS releases.
_GLIBC = "2.28"

_REPRODUCIBLE = ("-fno-ident", "-g0", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables")

# A line of a compiler's or linker's output that has one of these says what is wrong.
_TELLING = ("error:", "undefined", "will not fit", "overflowed", "overlaps", "no room")


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
    """The compiler for `target`; ToolchainError names the package to install when there is none."""
    isa = target.cpu.isa
    cross, package = _GCC[isa]
    names = [cross]
    if _NATIVE_ISA.get(platform.machine()) == isa:
        names += ["gcc"]
    for name in names:
        path = shutil.which(name)
        if path:
            return Compiler((path,), "gcc")
    if not target.is_bare_metal and find_spec("ziglang"):
        return Compiler((sys.executable, "-m", "ziglang"), "zig")
    remedy = f"apt install {package}"
    if not target.is_bare_metal:
        remedy += ", or pip install ziglang"
    raise ToolchainError(
        f"target {target.name}: no C compiler, {cross} is not installed ({remedy})"
    )


def host_compiler() -> Compiler:
    """The compiler for this machine's own programs (the emulator's plugin)."""
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path:
            return Compiler((path,), "gcc")
    if find_spec("ziglang"):
        return Compiler((sys.executable, "-m", "ziglang"), "zig")
    raise ToolchainError("this machine has no C compiler (apt install gcc, or pip install ziglang)")


def cpu_flags(target: Target, compiler: Compiler, *, static: bool = False) -> tuple[str, ...]:
    """The flags that name the core and the ABI; `static` picks musl where the compiler is zig's."""
    isa, mcpu = target.cpu.isa, target.toolchain.mcpu
    if compiler.kind == "zig":
        arch, abi = _ZIG_ARCH[isa]
        system = f"musl{abi}" if static else f"gnu{abi}.{_GLIBC}"
        return ("-target", f"{arch}-linux-{system}", f"-mcpu={mcpu.replace('-', '_')}")
    if isa == "x86_64":
        return (f"-march={mcpu}",)
    if isa == "aarch64":
        return (f"-mcpu={mcpu}",)
    if isa == "armv7a":
        fpu = "neon-vfpv4" if target.has("vfp4") else "neon"
        return (f"-mcpu={mcpu}", f"-mfpu={fpu}", f"-mfloat-abi={target.toolchain.float_abi}")
    return ("-mthumb", f"-mcpu={mcpu}", f"-mfloat-abi={target.toolchain.float_abi}")


def compile_object(
    target: Target,
    source: Path,
    output: Path,
    flags: Sequence[str] = (),
    *,
    static: bool = False,
) -> None:
    """Compile one C file to a relocatable object, position-independent on Linux.

    `static`: the object goes into `link_executable` (with zig that is another C library).
    Raises ToolchainError with the compiler's first error.
    """
    compiler = find_compiler(target)
    command = [*compiler.command, *(["cc"] if compiler.kind == "zig" else [])]
    command += [*cpu_flags(target, compiler, static=static), "-std=c99", "-O2"]
    command += ["-ffunction-sections", "-fdata-sections", *_REPRODUCIBLE]
    command += [f"-ffile-prefix-map={source.resolve().parent}=."]
    if not target.is_bare_metal:
        command += ["-fPIC", "-pthread"]
    if compiler.kind == "zig":
        # zig's debug checks would call into a run-time library of its own.
        command += ["-fno-sanitize=all", "-fno-stack-protector"]
    _run([*command, *flags, "-c", str(source), "-o", str(output)], source.name)


def link_shared(
    target: Target, objects: Sequence[Path], output: Path, exports: Sequence[str]
) -> None:
    """Link a stripped shared library whose dynamic symbols are exactly `exports`."""
    compiler = find_compiler(target)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "exports.map"
        script.write_text(
            f"{{ global: {' '.join(f'{e};' for e in sorted(exports))} local: *; }};\n"
        )
        soname = output.name
        files = [str(o) for o in objects]
        linker = [f"--version-script={script}", "--gc-sections", "--build-id=none", "-s"]
        if compiler.kind == "gcc":
            command = [*compiler.command, *cpu_flags(target, compiler), "-shared", "-nostdlib"]
            command += [f"-Wl,{flag}" for flag in [*linker, f"-soname={soname}", "-z,noexecstack"]]
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
        _run(command, output.name)


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
    command += [*cpu_flags(target, compiler, static=True), "-Wl,--gc-sections"]
    command += ["-Wl,--build-id=none", "-s" if strip else "-Wl,-S"]
    if target.is_bare_metal:
        command += ["-nostartfiles", "-ffreestanding", "-Wl,-T," + str(linker_script)]
        # newlib's own system calls are never used; nosys would warn about each of them.
        command += ["--specs=nano.specs", *map(str, objects), "-lm", "-lc", "-lgcc"]
    else:
        command += ["-static", *map(str, objects), "-pthread", "-lm"]
    _run([*command, "-o", str(output)], output.name)


def _run(command: Sequence[str], what: str) -> None:
    """Run a tool; ToolchainError quotes the first line that says error."""
    environment = {**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"}
    result = subprocess.run(
        command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL
    )
    if result.returncode:
        lines = (result.stderr + result.stdout).strip().splitlines() or ["no message"]
        telling = [line for line in lines if any(word in line for word in _TELLING)]
        first = next((line for line in telling if "collect2" not in line), lines[-1])
        tool = Path(command[0]).name if "ziglang" not in command else f"ziglang {command[3]}"
        raise ToolchainError(f"{what}: {tool} failed: {first.strip()}")
