"""What this machine has of the tools that edgemnv2 can use, what each is for, how to get it."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any

from edgemnv2.codegen.toolchain import compiler_problem
from edgemnv2.errors import RunnerError
from edgemnv2.provenance import version_of
from edgemnv2.runners.llvm_tools import LLVM_PACKAGE, find_llvm_tools
from edgemnv2.target import load_target, missing_local_features

__all__ = ["Check", "Purpose", "doctor", "purposes"]

# C compiler, target whose probe program it must compile ("" for this machine), what it is for,
# Debian packages: what a bare system needs, without what apt only recommends.
_COMPILERS = (
    ("gcc", "", "compiling for this machine, the instruction counter", "gcc libc6-dev"),
    (
        "aarch64-linux-gnu-gcc",
        "rpi4",
        "64-bit Raspberry Pi (else ziglang is used)",
        "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    ),
    (
        "arm-linux-gnueabihf-gcc",
        "rpi3-32",
        "rpi3-32 (else ziglang is used)",
        "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross",
    ),
    (
        "arm-none-eabi-gcc",
        "mps2-an386",
        "building Cortex-M artefacts",
        "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    ),
    (
        "riscv64-unknown-elf-gcc",
        "riscv32-virt",
        "building and checking RISC-V and plain C",
        "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    ),
)
# Program, what it is for, Debian package.
_PROGRAMS = (
    ("qemu-aarch64", "running 64-bit Raspberry Pi artefacts here", "qemu-user"),
    ("qemu-arm", "running rpi3-32 artefacts here", "qemu-user"),
    ("qemu-riscv64", "running rv64gcv artefacts here", "qemu-user"),
    ("qemu-system-arm", "running Cortex-M artefacts here", "qemu-system-arm"),
    ("qemu-system-riscv32", "running RISC-V artefacts here", "qemu-system-misc"),
    ("node", "running WebAssembly artefacts here", "nodejs"),
    ("cmake", "building the bundles' firmware", "cmake"),
    ("arduino-builder", "building the bundles for Arduino", "arduino-builder"),
    ("chromium", "drawing .png pictures", "chromium"),
    ("clang-format", "checking the C sources (development)", "clang-format"),
    ("ssh", "measuring on a Linux board (--ssh)", "openssh-client"),
)
# Program, what it is for, PyPI package.
_PYTHON_PROGRAMS = (
    ("west", "building the bundles for Zephyr", "west"),
    ("pio", "building the bundles for PlatformIO", "platformio"),
)
# Module, distribution, what it is for, extra of this package ("" = always installed).
_MODULES = (
    ("tvm", "apache-tvm", "the compiler", ""),
    ("tvm_ffi", "apache-tvm-ffi", "the compiler's foreign interface", ""),
    ("ziglang", "ziglang", "compiling for Linux boards without a cross gcc", ""),
    ("PIL", "pillow", "reading images", ""),
    ("ai_edge_litert", "ai-edge-litert", "comparing with LiteRT", "peers"),
    ("onnxruntime", "onnxruntime", "comparing with onnxruntime", "peers"),
    ("ncnn", "ncnn", "comparing with ncnn", "peers"),
    ("tornado", "tornado", "measuring through TVM's RPC tracker", "rpc"),
    ("cloudpickle", "cloudpickle", "measuring through TVM's RPC tracker", "rpc"),
    ("psutil", "psutil", "measuring through TVM's RPC tracker", "rpc"),
)
# What people come for, and the tools that it takes: all of one of these groups.
_PURPOSES: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("compile", (("apache-tvm", "apache-tvm-ffi"),)),
    ("compile for 64-bit Linux boards", (("aarch64-linux-gnu-gcc",), ("ziglang",))),
    ("compile for 32-bit Linux boards", (("arm-linux-gnueabihf-gcc",), ("ziglang",))),
    ("compile for this computer", (("processor", "gcc"), ("processor", "ziglang"))),
    ("run code of 64-bit boards here", (("qemu-aarch64",),)),
    ("run code of 32-bit boards here", (("qemu-arm",),)),
    ("run Cortex-M code here", (("arm-none-eabi-gcc", "qemu-system-arm"),)),
    ("run RISC-V code here", (("riscv64-unknown-elf-gcc", "qemu-system-riscv32"),)),
    ("run code of RISC-V boards with Linux here", (("qemu-riscv64",),)),
    ("build Cortex-M firmware", (("arm-none-eabi-gcc", "cmake"),)),
    ("build bundles for Arduino", (("arduino-builder",),)),
    ("build bundles for Zephyr", (("west", "cmake"),)),
    ("build bundles for PlatformIO", (("pio",),)),
    ("measure on a Linux board", (("ssh",),)),
    ("measure through TVM's tracker", (("tornado", "cloudpickle", "psutil"),)),
    ("read photographs", (("pillow",),)),
    ("check ONNX files against their framework", (("onnxruntime",),)),
    ("check TFLite files against their framework", (("ai-edge-litert",),)),
    ("time ncnn beside ours", (("ncnn",),)),
    ("draw .png pictures", (("chromium",),)),
    ("estimate cycles", (("llvm-mca",),)),
    ("run WebAssembly here", (("node",),)),
    ("check C sources (development)", (("clang-format",),)),
)
# apache-tvm-ffi: later ones crash in `save_json` and `tensorize` of this apache-tvm wheel.
_PINNED = {"apache-tvm-ffi": "0.1.14.post1"}


@dataclass(frozen=True)
class Check:
    """One tool; `problem` is "" where it is fine, and `remedy` what to type where it is not."""

    name: str
    purpose: str
    found: bool
    version: str
    problem: str
    remedy: str
    required: bool

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def doctor() -> tuple[Check, ...]:
    """All checks, in the order of the tables above. Nothing is installed or changed."""
    return (
        _processor(),
        *map(_module, _MODULES),
        *map(_compiler, _COMPILERS),
        *(
            _program(name, purpose, f"apt install {package}")
            for name, purpose, package in _PROGRAMS
        ),
        *(
            _program(name, purpose, f"pip install {package}")
            for name, purpose, package in _PYTHON_PROGRAMS
        ),
        _core_models(),
    )


@dataclass(frozen=True)
class Purpose:
    """What one can do here, or not: with `tools`, or for want of `lacking`."""

    words: str
    tools: tuple[Check, ...]
    lacking: tuple[Check, ...]

    @property
    def good(self) -> bool:
        """Whether nothing is missing."""
        return not self.lacking


def purposes(checks: tuple[Check, ...]) -> tuple[Purpose, ...]:
    """Each purpose with the first group of tools that is whole, else with the first group."""
    known = {check.name: check for check in checks}
    found = []
    for words, groups in _PURPOSES:
        tried = [tuple(known[name] for name in group) for group in groups]
        tools = next((x for x in tried if not any(check.problem for check in x)), tried[0])
        lacking = tuple(check for check in tools if check.problem)
        found.append(Purpose(words, tools, lacking))
    return tuple(found)


def _processor() -> Check:
    missing = missing_local_features(load_target("host"))
    return Check(
        "processor",
        "running artefacts for the target `host`",
        found=not missing,
        version=platform.machine(),
        problem=f"lacks {', '.join(missing)}" if missing else "",
        remedy=_other_target() if missing else "",
        required=False,
    )


def _other_target() -> str:
    """What to compile for instead."""
    if platform.machine() in ("aarch64", "arm64") and platform.system() == "Linux":
        return "compile for rpi3, rpi4 or rpi5, whose code runs on this machine"
    return "compile for another target and use an emulator"


def _module(entry: tuple[str, str, str, str]) -> Check:
    module, distribution, purpose, extra = entry
    found = find_spec(module) is not None
    version = version_of(distribution) if found else ""
    wanted = _PINNED.get(distribution, version)
    package = f"'edgemnv2[{extra}]'" if extra else distribution
    problem = "" if found else "is not installed"
    if found and version != wanted:
        problem, package = f"is {version}, which does not work", f"{distribution}=={wanted}"
    remedy = f"pip install {package}" if problem else ""
    return Check(distribution, purpose, found, version, problem, remedy, required=not extra)


def _compiler(entry: tuple[str, str, str, str]) -> Check:
    """A compiler counts only if it makes a program, as `find_compiler` has it."""
    program, target, purpose, packages = entry
    found = compiler_problem(program, load_target(target) if target else None)
    if found is None:
        remedy = f"apt install {packages}"
        return Check(program, purpose, False, "", "is not installed", remedy, False)
    path, problem = found
    if problem:
        # Named by its place: another one may stand behind it in PATH, and is used then.
        said = f"{path} {problem}"
        return Check(program, purpose, True, "", said, f"apt install {packages}", False)
    return Check(program, purpose, True, _version(path), "", "", False)


def _program(program: str, purpose: str, remedy: str) -> Check:
    path = shutil.which(program)
    if path is None:
        return Check(program, purpose, False, "", "is not installed", remedy, False)
    try:
        version = _version(path, "-V" if program == "ssh" else "--version")
    except OSError as error:
        problem = f"{path} cannot be run ({error.strerror})"
        return Check(program, purpose, True, "", problem, remedy, False)
    return Check(program, purpose, True, version, "", "", False)


def _core_models() -> Check:
    """llvm-mca under whatever number it has."""
    name, purpose = "llvm-mca", "estimating cycles (bench --cycles)"
    try:
        tools = find_llvm_tools()
    except RunnerError as error:
        said = str(error).removeprefix("cycles: ").removeprefix("llvm-mca ").partition(" (")[0]
        return Check(name, purpose, False, "", said, f"apt install {LLVM_PACKAGE}", False)
    return Check(name, purpose, True, tools.version, "", "", False)


def _version(path: str, flag: str = "--version") -> str:
    done = subprocess.run([path, flag], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    match = re.search(r"\d+\.\d+[.\w]*", done.stdout + done.stderr)
    return match[0] if match else ""
