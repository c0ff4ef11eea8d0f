"""Other engines under the emulator of a 64-bit Arm core: their own wheels, in Debian's Python.

Python of arm64 comes out of Debian's packages, the engines from PyPI with pip, both into the cache
folder, once (300 MB). So their cycles are estimated as ours are, from what their own code executes.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.engines.marked import MARK_CALLS, MARKED
from edgemnv2.cache import cache_folder
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners.base import Array, parse_facts
from edgemnv2.runners.bench_program import execute
from edgemnv2.runners.block_trace import BlockTrace, Section, foreign_trace_arguments
from edgemnv2.runners.cache_model import Misses, foreign_cache_arguments, read_misses
from edgemnv2.runners.debian_root import fetch_packages
from edgemnv2.runners.qemu_user import find_qemu_user
from edgemnv2.target import Target

__all__ = ["PeerTrace", "check_emulated", "trace_peer"]

_PACKAGES = {"litert": "ai-edge-litert", "ncnn": "ncnn", "onnxruntime": "onnxruntime"}
# What the engines are linked against, besides Python's own.
_PROGRAMS = ("python3", "libgomp1", "libstdc++6")
_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux2014", "manylinux_2_17")
_SECONDS = 1200.0
# Engines read which core it is, and crash on the file of another architecture. Arm's part numbers:
# MIDR_EL1 in the reference manuals of the cores; Linux's words for features: `arm64/hwcap.c`.
_PARTS = {"cortex-a53": 0xD03, "cortex-a55": 0xD05, "cortex-a72": 0xD08, "cortex-a76": 0xD0B}
_WORDS = {"neon": ("fp", "asimd"), "fp16": ("fphp", "asimdhp"), "dotprod": ("asimddp",)}
_SYSTEM = "sys/devices/system/cpu"


@dataclass(frozen=True, eq=False)
class PeerTrace:
    """One inference of an engine in steady state; `output` as `Peer.output` has it.

    `misses` is None where caches were left out.
    """

    version: str
    outputs: list[Array]
    trace: BlockTrace
    inference: Section
    misses: Misses | None

    @property
    def instructions(self) -> int:
        """That the inference executed."""
        lengths = [block.instructions for block in self.trace.blocks]
        return sum(lengths[at] * count for at, count in self.inference.executions.items())


def check_emulated(target: Target, names: Sequence[str]) -> None:
    """UsageError for a target that engines do not run on, or for an engine that is none."""
    for name in names:
        if name not in _PACKAGES:
            known = ", ".join(_PACKAGES)
            raise UsageError(f"against={name}: no such engine (expected some of {known})")
    if target.cpu.isa != "aarch64" or not target.machine:
        raise UsageError(
            f"against={','.join(names)}: engines are run in the emulator for 64-bit Raspberry Pi, "
            f"not for {target.name} (leave against= out)"
        )


def trace_peer(
    artifact: Artifact,
    name: str,
    model: Path,
    samples: Mapping[str, Array],
    *,
    caches: bool = True,
) -> PeerTrace:
    """Engine `name` with `model` on the artefact's core, one thread.

    Without `caches` in a fraction of the time.
    Raises RunnerError where QEMU, Debian's packages or the engine's wheel are missing.
    """
    target = artifact.target
    site = _site(name)
    emulator = find_qemu_user(target.cpu.isa, counting=True)
    call = MARK_CALLS[target.cpu.isa]
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as text:
        folder = Path(text)
        np.savez(folder / "x.npz", np.array(list(samples)), *samples.values())
        root = _root_of(target, folder / "root")
        command = [emulator, "-cpu", target.machine, "-L", str(root)]
        # The engine's packages come first: those beside ours are for this machine.
        package = Path(__file__).resolve().parents[2]
        command += ["-E", f"PYTHONPATH={site}:{package}", "-E", f"PYTHONHOME={root / 'usr'}"]
        command += ["-E", "PYTHONDONTWRITEBYTECODE=1", "-E", "OMP_NUM_THREADS=1"]
        command += foreign_trace_arguments(emulator, call, folder)
        if caches:
            command += foreign_cache_arguments(emulator, target.cpu, call, folder)
        command += [str(root / "usr/bin/python3"), "-m", "edgemnv2.benchmark.engines.marked"]
        command += [name, str(model.resolve()), "x.npz", "y.npz"]
        said = execute(command, folder, f"against={name}", _SECONDS)
        facts = parse_facts(f"{said}\nedgemnv2 done 1", f"against={name}")
        if "version" not in facts.values:
            last = (said.strip().splitlines() or ["no output"])[-1]
            raise RunnerError(f"against={name}: did not run in the emulator ({last})")
        trace = BlockTrace.read(folder)
        misses = read_misses(folder) if caches else []
        seen = len(misses) if caches else len(trace.sections) // 2
        if seen != MARKED:
            raise RunnerError(f"against={name}: {seen} inferences were seen (expected {MARKED})")
        return PeerTrace(
            version=facts.values["version"][-1],
            outputs=list(np.load(folder / "y.npz").values()),
            trace=trace,
            inference=trace.sections[2 * MARKED - 1],
            misses=misses[-1][0]["rest"] if caches else None,
        )


def _root_of(target: Target, folder: Path) -> Path:
    """Python's root with the files by which Linux on one core of `target` describes itself."""
    for entry in sorted(_python().iterdir()):
        (folder / entry.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / entry.name).symlink_to(entry)
    words = [word for name in _WORDS for word in _WORDS[name] if target.has(name)]
    part = _PARTS.get(target.cpu.core, 0)
    files = {
        "proc/cpuinfo": f"processor\t: 0\nFeatures\t: {' '.join(words)}\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\n"
        f"CPU part\t: {part:#05x}\nCPU revision\t: 0\n\n",
        f"{_SYSTEM}/possible": "0\n",
        f"{_SYSTEM}/present": "0\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="ascii", newline="\n")
    return folder


def _python() -> Path:
    """A folder that is the root of arm64 programs, Python among them."""
    return fetch_packages(cache_folder() / "arm64-python", "arm64", _PROGRAMS) / "root"


def _site(name: str) -> Path:
    """A folder of the engine's packages, of the version that is installed here, if it is."""
    package = _PACKAGES[name]
    try:
        wanted = f"{package}=={importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        wanted = package
    folder = cache_folder() / f"arm64-{wanted.replace('==', '-')}"
    if folder.exists():
        return folder
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    version = _guest_version()
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(draft)]
    command += ["--only-binary=:all:", "--python-version", version, "--no-compile"]
    for platform in _PLATFORMS:
        command += ["--platform", f"{platform}_aarch64"]
    done = subprocess.run([*command, wanted, "numpy"], capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(draft, ignore_errors=True)
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RunnerError(f"against={name}: pip has no {wanted} for 64-bit Arm ({last})")
    try:
        draft.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _guest_version() -> str:
    """The version of Debian's Python, such as "3.11"."""
    for program in sorted((_python() / "usr/bin").glob("python3.*")):
        if program.name.removeprefix("python3.").isdigit():
            return program.name.removeprefix("python")
    raise RunnerError("against: Debian's packages hold no Python for 64-bit Arm")
