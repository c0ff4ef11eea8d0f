"""Bytes that an inference misses in a model of the target's caches, by real addresses.

A QEMU plugin (`runtime/cache_plugin.c`) sees every load and store of the artefact's `bench` program
and feeds a model of the caches that the target file describes. A count, not a time: no prefetcher,
least-recently-used replacement, virtual addresses, instruction fetches left out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.elf import Elf, read_elf
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners.base import Array, Job, Sample, check_threads
from edgemnv2.runners.bench_program import execute, run_bench_program
from edgemnv2.runners.insn_plugin import MARK, built_plugin
from edgemnv2.runners.qemu_user import find_qemu_user
from edgemnv2.target import Cpu

__all__ = [
    "KINDS",
    "CacheRun",
    "Misses",
    "cache_arguments",
    "foreign_cache_arguments",
    "read_misses",
    "run_in_cache_model",
]

SOURCE = Path(__file__).resolve().parent.parent / "runtime" / "cache_plugin.c"

KINDS = ("weights", "arena", "image", "rest")
"""What bytes are: constants; activations and scratch; the caller's input and result; stack, tables.
"""
_OBJECTS = {"arena": "arena", "input": "image", "output": "image"}
# What threads execute and touch while they wait.
_WAITING_CODE = ("edgemnv2_meet", "edgemnv2_await", "edgemnv2_worker_main", "edgemnv2_pool_do")
_WAITING_DATA = ("pool",)
_MEET = "edgemnv2_meet"
_OUTPUT = "misses.txt"
# The first inference fills the caches, the second is measured.
_REPEAT = 2
_SECONDS_PER_INFERENCE = 240.0


@dataclass(frozen=True)
class Misses:
    """Of one kind of bytes: accesses, and lines that came from or went to the next level."""

    loads: int = 0
    stores: int = 0
    l1_load_misses: int = 0
    l1_store_misses: int = 0
    l2_load_misses: int = 0
    l2_store_misses: int = 0
    l1_written_back: int = 0
    l2_written_back: int = 0

    @property
    def l1(self) -> int:
        """Lines missed in L1."""
        return self.l1_load_misses + self.l1_store_misses

    @property
    def l2(self) -> int:
        """Lines missed in L2."""
        return self.l2_load_misses + self.l2_store_misses


@dataclass(frozen=True, eq=False)
class CacheRun:
    """One inference in steady state; `instructions` per core, waiting left out."""

    outputs: Mapping[str, Array]
    line_bytes: int
    kinds: dict[str, Misses]
    instructions: tuple[int, ...]

    def missed_bytes(self, level: str, kinds: Sequence[str] = KINDS) -> int:
        """Bytes missed in "l1" or "l2", of all kinds or some."""
        lines: int = sum(getattr(self.kinds[kind], level) for kind in kinds)
        return self.line_bytes * lines

    def written_back_bytes(self) -> int:
        """Bytes that L2 wrote to memory."""
        return self.line_bytes * sum(misses.l2_written_back for misses in self.kinds.values())


def run_in_cache_model(artifact: Artifact, sample: Sample, threads: int = 1) -> CacheRun:
    """One inference of `sample` on `threads` threads under the emulator.

    Raises UsageError where the target has no L1 and L2 to model, RunnerError without emulator.
    """
    check_threads(artifact, threads)
    cpu = artifact.target.cpu
    if artifact.target.is_bare_metal or not (cpu.l1d_bytes and cpu.l2_bytes):
        raise UsageError(
            f"{artifact.path}: {artifact.target.name} has no L1 and L2 to model "
            "(the cache model is for Linux targets)"
        )
    emulator = find_qemu_user(cpu.isa, counting=True)
    program = artifact.path.resolve() / "bench"
    # QEMU's default x86 model has no AVX2.
    machine = artifact.target.machine or ("max" if cpu.isa == "x86_64" else "")
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as name:
        counts = Path(name)
        plugin = cache_arguments(emulator, program, artifact, threads, counts)

        def launch(arguments: Sequence[str], folder: Path) -> str:
            command = [emulator, *(["-cpu", machine] if machine else []), *plugin]
            timeout_seconds = 60 + _SECONDS_PER_INFERENCE * _REPEAT
            command += [str(program), *arguments]
            return execute(command, folder, str(artifact.path), timeout_seconds)

        job = Job(repeat=_REPEAT, threads=threads)
        result, _ = run_bench_program(artifact, [sample], launch, job, warmup=1)
        runs = read_misses(counts)
    if len(runs) != _REPEAT:
        raise RunnerError(
            f"{artifact.path}: the cache model saw {len(runs)} inferences (expected {_REPEAT})"
        )
    kinds, instructions = runs[-1]
    return CacheRun(result.results[0], cpu.cache_line_bytes, kinds, instructions)


def read_misses(folder: Path) -> list[tuple[dict[str, Misses], tuple[int, ...]]]:
    """What the plugin wrote into `folder`: of each pair of marks the misses of every kind of bytes,
    and the instructions of each core."""
    size = len(Misses.__dataclass_fields__)
    found = []
    for line in (folder / _OUTPUT).read_text(encoding="ascii").splitlines():
        numbers = [int(word) for word in line.split()]
        kinds = {
            kind: Misses(*numbers[index * size : (index + 1) * size])
            for index, kind in enumerate(KINDS)
        }
        found.append((kinds, tuple(numbers[len(KINDS) * size + 1 :])))
    return found


def _cache_geometry(cpu: Cpu) -> tuple[str, ...]:
    """The plugin's options for the caches of `cpu`."""
    return (
        f"line={cpu.cache_line_bytes}",
        f"l1={cpu.l1d_bytes}",
        f"l1_ways={cpu.l1d_ways}",
        f"l2={cpu.l2_bytes}",
        f"l2_ways={cpu.l2_ways}",
        f"l2_cores={cpu.l2_cores}",
    )


def foreign_cache_arguments(emulator: str, cpu: Cpu, call: int, folder: Path) -> tuple[str, ...]:
    """QEMU's arguments for another program, which marks by the system call number `call`.

    All its bytes are of the last kind, and it has one thread.
    """
    plugin = built_plugin(emulator, SOURCE)
    options = (str(plugin), f"syscall={call}", f"out={folder / _OUTPUT}", *_cache_geometry(cpu))
    return "-plugin", ",".join(options)


def cache_arguments(
    emulator: str, program: Path, artifact: Artifact, threads: int, folder: Path
) -> tuple[str, ...]:
    """QEMU's arguments for the plugin; its files lie in `folder`."""
    elf, cpu = read_elf(program), artifact.target.cpu
    constants = f"{artifact.name}_constants"
    addresses = {s.name: s.address & ~1 for s in elf.symbols if s.is_defined}
    needed = [MARK, constants, *([_MEET] if threads > 1 else [])]
    for symbol in needed:
        if symbol not in addresses:
            raise RunnerError(
                f"{program}: has no symbol {symbol} (compile the artefact with this version)"
            )
    start = addresses[constants]
    weights = (start, start + artifact.manifest.constants_bytes)
    ranges = folder / "ranges.txt"
    ranges.write_text(
        "".join(f"{a:x} {b:x} {kind}\n" for a, b, kind in _ranges(elf, weights)),
        encoding="ascii",
        newline="\n",
    )
    options = (
        str(built_plugin(emulator, SOURCE)),
        f"mark={addresses[MARK]:x}",
        f"meet={addresses[_MEET] if threads > 1 else 0:x}",
        f"ranges={ranges}",
        f"out={folder / _OUTPUT}",
        *_cache_geometry(cpu),
    )
    return "-plugin", ",".join(options)


def _ranges(elf: Elf, weights: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Address ranges and the number of their kind, 0 for what waiting threads use, sorted.

    `weights` because the symbol of constants from a file has no size.
    """
    found = [(*weights, 1 + KINDS.index("weights"))]
    for symbol in elf.symbols:
        if not (symbol.is_defined and symbol.size_bytes) or symbol.is_dynamic:
            continue
        address = symbol.address & ~1
        end = address + symbol.size_bytes
        is_object, is_function = symbol.kind == "object", symbol.kind == "function"
        if is_object and symbol.name in _OBJECTS:
            found.append((address, end, 1 + KINDS.index(_OBJECTS[symbol.name])))
        waits = is_function and symbol.name.split(".")[0] in _WAITING_CODE
        if waits or (is_object and symbol.name in _WAITING_DATA):
            found.append((address, end, 0))
    return sorted(found)
