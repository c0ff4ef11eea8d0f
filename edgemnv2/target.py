"""Target: one device as data, read from `targets/<name>.toml` or a file of the user's own.

A target file states hardware facts only and is complete (nothing is inherited), so that a board is
one file. Code asks for a feature (`target.has("dsp")`), never for a name. What the file may say is
in `edgemnv2/target_schema.py`; anything else is an error that names the file, the key and the
expectation.
"""

from __future__ import annotations

import difflib
import itertools
import os
import platform
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgemnv2.errors import TargetError
from edgemnv2.target_schema import FEATURES, OPTIONAL, SCHEMA, SETS, SPLIT_OPERATIONS, check_keys

__all__ = [
    "HOST",
    "OVERRIDE",
    "SHARED_MEMORY",
    "Cpu",
    "CycleFacts",
    "MemoryRegion",
    "Target",
    "Toolchain",
    "load_target",
    "missing_local_features",
    "more_capable_local_target",
    "parse_target",
    "target_names",
]

BARE_ISAS = ("thumb", "riscv32", "c99")
"""Microcontrollers. "c99" is whatever a C99 compiler of the user's makes code for, 32-bit."""
SHARED_MEMORY = ("+atomics", "+bulk-memory")
"""What WebAssembly needs for two instances in one memory, as LLVM spells it."""


@dataclass(frozen=True)
class Cpu:
    """The processor: `core` and `features` as Arm and LLVM spell them.

    `split_operations` are those of `SPLIT_OPERATIONS` that cost this core several of its own.
    `clock_hz` is the highest sustained clock, 0 where the target is a core and not a board;
    `l1d_bytes` (per core), `l2_bytes` (of one L2, which `l2_cores` cores share) and the ways of
    both are 0 where there is no such cache, `cache_line_bytes` where there is none at all.
    """

    core: str
    isa: str
    features: frozenset[str]
    cores: int
    clock_hz: int
    l1d_bytes: int
    l2_bytes: int
    l1d_ways: int
    l2_ways: int
    l2_cores: int
    cache_line_bytes: int
    split_operations: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Toolchain:
    """How compilers are told about the core: LLVM's triple, `mcpu`, `mattr`; the float ABI.

    `mcpu` is -march on 32-bit RISC-V. `float_abi` is "hard" or "soft" on 32-bit Arm and on RISC-V
    and "" elsewhere.
    """

    triple: str
    mcpu: str
    mattr: tuple[str, ...]
    float_abi: str


@dataclass(frozen=True)
class MemoryRegion:
    """Bytes `origin <= address < origin + length`; `access` "rx" (code, constants),
    "rw", or "rwx": RAM that our firmware copies the kernels' code to."""

    name: str
    origin: int
    length: int
    access: str


@dataclass(frozen=True)
class CycleFacts:
    """What cycles are estimated with: the core that LLVM's models know it by; how long a line takes
    that the L2 has, and one from or to memory among many in a row, in cycles at `clock_hz`.

    The last two are 0 where there is no such cache, or where nobody measured.
    """

    core: str
    l2_cycles: int
    memory_cycles: int


@dataclass(frozen=True)
class Target:
    """One device. Order of `memories` counts on bare metal.

    The first "rx" region holds vectors and code, the largest "rx" region the constants; the first
    "rw" region holds variables and stack, the largest "rw" region the arena.
    """

    name: str
    description: str
    cpu: Cpu
    toolchain: Toolchain
    memories: tuple[MemoryRegion, ...]
    runner: str
    machine: str
    """QEMU's name of the core (`qemu-user`) or board (`qemu-system`) that runs this code, or ""."""
    metric: str
    cycles: CycleFacts | None = None
    """None where no model of the core is known."""

    def has(self, feature: str) -> bool:
        """Whether the core has `feature`; one unknown to its instruction set is just absent."""
        return feature in self.cpu.features

    @property
    def needs(self) -> tuple[str, ...]:
        """Features that code asks a processor under Linux for, sorted: it may lack them."""
        if self.is_bare_metal or self.is_web:
            # A browser does not even load a module with instructions that it lacks.
            return ()
        given = {"neon"} if self.cpu.isa == "aarch64" else set()
        return tuple(sorted(self.cpu.features - given))

    @property
    def is_bare_metal(self) -> bool:
        """Whether there is no operating system: C source out, linker script from `memories`."""
        return self.cpu.isa in BARE_ISAS

    @property
    def is_web(self) -> bool:
        """Whether the code is a WebAssembly module, for a page or for Node.js."""
        return self.cpu.isa == "wasm32"

    def without_features(self) -> Target:
        """The same target with a core that has none: of the web, a browser without SIMD."""
        cpu = replace(self.cpu, features=frozenset())
        return replace(self, cpu=cpu, toolchain=replace(self.toolchain, mattr=()))

    def with_shared_memory(self) -> Target:
        """Of the web, the same target with what instances in one memory need."""
        mattr = (*self.toolchain.mattr, *SHARED_MEMORY)
        return replace(self, toolchain=replace(self.toolchain, mattr=mattr))

    @property
    def codegen(self) -> str:
        """ "c" for C99 source, "llvm" for an object made by TVM's LLVM."""
        return "c" if self.is_bare_metal else "llvm"

    @property
    def ram_bytes(self) -> int:
        """Length of the largest writable region: the most that an arena may take."""
        return max(m.length for m in self.memories if m.access == "rw")

    @property
    def flash_bytes(self) -> int:
        """Length of all regions for code and constants together; 0 on Linux."""
        return sum(m.length for m in self.memories if m.access == "rx")

    def tvm_target(self) -> Any:
        """The `tvm.target.Target` that code for this device is generated with.

        Raises TargetError for a core that LLVM does not know, or one that lacks what the kernels
        need: LLVM itself would end the process over either.
        """
        import tvm  # takes a second; most verbs never need it

        if self.codegen == "c":
            return tvm.target.Target("c")
        self._check_core()
        mcpu, mattr = self._ordered_for()
        options: dict[str, Any] = {
            "kind": "llvm",
            "mtriple": self.toolchain.triple,
            "mcpu": mcpu,
            "mattr": mattr,
            "num-cores": self.cpu.cores,
        }
        if self.is_web:
            # Else TVM warns that it has chosen just that.
            options["vector-width"] = 128
            # It rewrites addresses so that loads lose their offsets, which cost nothing there.
            options["cl-opt"] = ["-disable-lsr"]
        if self.cpu.isa == "riscv64":
            # RV64GC: LLVM would pass floats in integer registers.
            options["mabi"] = "lp64d"
        elif self.toolchain.float_abi:
            options["mfloat-abi"] = self.toolchain.float_abi
        return tvm.target.Target(options)

    def _ordered_for(self) -> tuple[str, list[str]]:
        """`mcpu` and `mattr` with which LLVM orders instructions by the model of the core that
        cycles are estimated with (`cycles.core`), and uses none that the core itself lacks.

        AArch64 only: there LLVM orders code for some cores by a model of another, older one.
        """
        from tvm.target import codegen

        chain = self.toolchain
        if self.cpu.isa != "aarch64" or self.cycles is None or self.cycles.core == chain.mcpu:
            return chain.mcpu, list(chain.mattr)

        def features(mcpu: str) -> set[str]:
            return set(map(str, codegen.llvm_get_cpu_features(_llvm_core(chain.triple, mcpu, ()))))

        lacking = features(self.cycles.core) - features(chain.mcpu) - _LLVM_ORDER_ONLY
        wanted = {each.removeprefix("+") for each in chain.mattr}
        off = [f"-{name}" for name in sorted(lacking - wanted)]
        return self.cycles.core, [*chain.mattr, *off]

    def _check_core(self) -> None:
        from tvm.target import codegen

        chain = self.toolchain
        known = codegen.llvm_get_cpu_archlist(_llvm_core(chain.triple, "", ()))
        named = {"toolchain.mcpu": chain.mcpu}
        if self.cpu.isa == "aarch64" and self.cycles is not None:
            named["cycles.core"] = self.cycles.core
        for key, core in named.items():
            if core not in known:
                near = ", ".join(difflib.get_close_matches(core, map(str, known), 3))
                raise TargetError(
                    f"{self.name}: {key}: LLVM knows no core {core!r} of {chain.triple} "
                    f"({f'did you mean {near}' if near else 'llc -mcpu=help lists them'}?)"
                )
        whole = _llvm_core(chain.triple, chain.mcpu, chain.mattr)
        for feature in sorted(self.cpu.features):
            word = _LLVM_FEATURES.get(feature, feature)
            if not codegen.llvm_cpu_has_features(word, whole):
                raise TargetError(
                    f"{self.name}: cpu.features has {feature!r}, but toolchain.mcpu {chain.mcpu!r} "
                    f"with mattr {list(chain.mattr)} does not have it for LLVM (add '+{word}' to "
                    "mattr, or leave the feature out)"
                )

    def to_dict(self) -> dict[str, Any]:
        """The target file's tables, sorted where order has no meaning; `parse_target` reads it."""
        cpu = asdict(self.cpu)
        cpu["features"] = sorted(self.cpu.features)
        split = cpu.pop("split_operations")
        if split:  # optional: tables of artefacts made before it was known still describe them
            cpu["split_operations"] = sorted(split)
        toolchain = asdict(self.toolchain)
        toolchain["mattr"] = list(self.toolchain.mattr)
        table = {
            "description": self.description,
            "cpu": cpu,
            "toolchain": toolchain,
            "memory": [asdict(m) for m in self.memories],
            "run": {"runner": self.runner, "machine": self.machine},
            "tune": {"metric": self.metric},
        }
        return table if self.cycles is None else {**table, "cycles": asdict(self.cycles)}


_LLVM_FEATURES = {"fp16": "fullfp16"}
"""Features that LLVM calls otherwise."""
_LLVM_ORDER_ONLY = frozenset({"a55", "fuse-address", "neoversen1", "use-postra-scheduler"})
"""What LLVM lists among a core's features and is no instruction, but how code is ordered."""


def _llvm_core(triple: str, mcpu: str, mattr: tuple[str, ...]) -> Any:
    """A `tvm.target.Target` to ask LLVM about a core; "" is none."""
    import tvm

    options: dict[str, Any] = {"kind": "llvm", "mtriple": triple}
    if mcpu:
        options |= {"mcpu": mcpu, "mattr": list(mattr)}
    return tvm.target.Target(options)


HOST = "host"
"""Stands for the target of `_HOSTS` that uses most of this computer's processor."""
OVERRIDE = "EDGEMNV2_HOST"
"""The environment's name of the target that `HOST` stands for."""
_HOSTS = {
    "x86_64": ("x86-64-v4-vnni", "x86-64-v3"),
    "aarch64": ("armv8.2-a", "cortex-a53"),
    "armv7a": ("rpi3-32",),
}
"""By instruction set, the one that asks for most first; the last is there for every processor."""


def target_names() -> tuple[str, ...]:
    """Names of the targets that ship with the package, sorted."""
    return tuple(sorted(p.stem for p in _targets_folder().glob("*.toml")))


def load_target(name_or_path: str | Path) -> Target:
    """The target of that name, or of that file: anything with a folder part or ending in .toml.

    "host" is this computer: the most capable shipped target that its processor runs. Raises
    TargetError for an unknown name (with the nearest one), an unreadable file, and every break of
    the schema.
    """
    text = _host_name() if str(name_or_path) == HOST else str(name_or_path)
    if text.endswith(".toml") or "/" in text:
        path = Path(text)
    else:
        path = _targets_folder() / f"{text}.toml"
        if not path.is_file():
            near = difflib.get_close_matches(text, target_names(), n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise TargetError(
                f"target {text!r}: no such target; {hint}`edgemnv2 targets` lists them, "
                "and a path to a .toml file describes your own board"
            )
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise TargetError(f"{path}: {reason} (expected a target file)") from error
    except tomllib.TOMLDecodeError as error:
        raise TargetError(f"{path}: not TOML: {error}") from error
    return parse_target(path.stem, table, str(path))


def parse_target(name: str, table: Mapping[str, Any], place: str) -> Target:
    """The target that the tables of a file (or `Target.to_dict`) describe.

    `place` names the source in messages. Raises TargetError at the first break of the schema.
    """
    check_keys(table, {"description", *SCHEMA}, place, "")
    if not isinstance(table["description"], str):
        raise TargetError(f"{place}: description must be a text")
    for section, rules in SCHEMA.items():
        if section in OPTIONAL and section not in table:
            continue
        rows = table[section] if section == "memory" else [table[section]]
        if not isinstance(rows, list) or not rows:
            raise TargetError(f"{place}: {section} must be one or more [[{section}]] tables")
        for row in rows:
            if not isinstance(row, Mapping):
                raise TargetError(f"{place}: {section} must be a table, [{section}]")
            check_keys(row, set(rules), place, f"{section}.")
            for key, rule in rules.items():
                if key in row and not rule.accepts(row[key]):
                    raise TargetError(
                        f"{place}: {section}.{key} = {row[key]!r} (must be {rule.expectation()})"
                    )
    cpu, toolchain = table["cpu"], table["toolchain"]
    target = Target(
        name=name,
        description=table["description"],
        cpu=Cpu(**{**cpu, **{key: frozenset(cpu.get(key, ())) for key in SETS}}),
        toolchain=Toolchain(**{**toolchain, "mattr": tuple(toolchain["mattr"])}),
        memories=tuple(MemoryRegion(**row) for row in table["memory"]),
        runner=table["run"]["runner"],
        machine=table["run"]["machine"],
        metric=table["tune"]["metric"],
        cycles=CycleFacts(**table["cycles"]) if "cycles" in table else None,
    )
    _check_consistency(target, place)
    return target


def _host_name() -> str:
    """The target that "host" stands for: what the environment says, else by the processor.

    Raises TargetError for an override that is no target for computers, and where there is none.
    """
    chosen = os.environ.get(OVERRIDE, "")
    known = [name for names in _HOSTS.values() for name in names]
    if chosen:
        if chosen not in known:
            raise TargetError(f"{OVERRIDE}={chosen}: expected one of {', '.join(sorted(known))}")
        return chosen
    names = _HOSTS.get(_local_isa())
    if names is None:
        raise TargetError(
            f"target {HOST!r}: this computer is a {_local_isa()}, and there are targets for "
            f"{', '.join(sorted(_HOSTS))} (name another target, or set {OVERRIDE})"
        )
    for name in names:
        if not missing_local_features(load_target(name)):
            return name
    return names[-1]


def _local_isa() -> str:
    machine = platform.machine()
    return {"AMD64": "x86_64", "arm64": "aarch64", "armv7l": "armv7a"}.get(machine, machine)


def missing_local_features(target: Target) -> tuple[str, ...]:
    """What this machine's processor lacks to run code for `target` natively, sorted; () = runs."""
    if _local_isa() != target.cpu.isa:
        return (target.cpu.isa,)
    if platform.system() != "Linux" and not target.is_bare_metal:
        return ("Linux",)
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    flags = {
        word
        for line in text.splitlines()
        if line.split(":")[0].strip().lower() in ("flags", "features")
        for word in line.split(":", 1)[1].split()
    }
    # The kernel's names of what we call otherwise.
    spelled = {
        "neon": {"neon", "asimd"},
        "dotprod": {"asimddp"},
        "fp16": {"asimdhp"},
        "vfp4": {"vfpv4", "asimd"},
        "avx512vnni": {"avx512_vnni"},
    }
    # RISC-V's line `isa` is a word: rv64imafdcv_zicbom.
    words = re.findall(r"^isa\s*: rv\d+([a-z]+)", text, re.MULTILINE)
    flags |= set("".join(words))
    return tuple(sorted(f for f in target.cpu.features if not flags & spelled.get(f, {f})))


def more_capable_local_target(target: Target) -> Target | None:
    """A shipped target that uses more of this processor than `target`, which runs here too."""
    if target.is_bare_metal or missing_local_features(target):
        return None
    better = [
        other
        for other in map(load_target, target_names())
        if other.runner == target.runner
        and other.cpu.features > target.cpu.features
        and not missing_local_features(other)
    ]
    return max(better, key=lambda other: len(other.cpu.features), default=None)


def _targets_folder() -> Path:
    """`targets/` of a checkout, or its copy inside an installed package."""
    package = Path(__file__).resolve().parent
    installed = package / "_data" / "targets"
    return installed if installed.is_dir() else package.parent / "targets"


def _check_caches(cpu: Cpu, place: str) -> None:
    """Each cache is whole sets of lines, or absent with all that describes it."""
    line = cpu.cache_line_bytes
    for key, size, ways in (
        ("l1d", cpu.l1d_bytes, cpu.l1d_ways),
        ("l2", cpu.l2_bytes, cpu.l2_ways),
    ):
        if bool(size) != bool(ways):
            raise TargetError(
                f"{place}: cpu.{key}_bytes = {size} with cpu.{key}_ways = {ways} (must both be 0, "
                "for no such cache, or both be given)"
            )
        if size and (not line or size % (ways * line)):
            raise TargetError(
                f"{place}: cpu.{key}_bytes = {size} (must be a multiple of cpu.{key}_ways = {ways} "
                f"times cpu.cache_line_bytes = {line})"
            )
    if bool(cpu.l2_cores) != bool(cpu.l2_bytes) or cpu.l2_cores > cpu.cores:
        raise TargetError(
            f"{place}: cpu.l2_cores = {cpu.l2_cores} (must be 1 to {cpu.cores}, the cores that "
            "share an L2, or 0 where there is none)"
        )


def _check_consistency(target: Target, place: str) -> None:
    """What no single key can show."""
    isa, chain = target.cpu.isa, target.toolchain
    for feature in sorted(target.cpu.features.difference(FEATURES[isa])):
        raise TargetError(
            f"{place}: cpu.features has {feature!r}, which {isa} does not know "
            f"(must be out of: {', '.join(FEATURES[isa])})"
        )
    split = SPLIT_OPERATIONS.get(isa, ())
    for operation in sorted(target.cpu.split_operations.difference(split)):
        raise TargetError(
            f"{place}: cpu.split_operations has {operation!r}, which is none of {isa}'s (must be "
            f"out of: {', '.join(split) or 'none'})"
        )
    _check_caches(target.cpu, place)
    begins = ("arm", "thumb") if isa in ("armv7a", "thumb") else ("" if isa == "c99" else isa,)
    if not chain.triple.startswith(begins):  # LLVM dies of processors that it does not know
        raise TargetError(
            f"{place}: toolchain.triple = {chain.triple!r} (must begin with {' or '.join(begins)})"
        )
    has_abi = isa in ("armv7a", "thumb", "riscv32", "riscv64")
    if bool(chain.float_abi) != has_abi:
        expected = "'hard' or 'soft'" if has_abi else "''"
        raise TargetError(
            f"{place}: toolchain.float_abi = {chain.float_abi!r} (must be {expected} for {isa})"
        )
    for access in ("rx", "rw") if target.is_bare_metal else ("rw",):
        if not any(m.access == access for m in target.memories):
            raise TargetError(
                f"{place}: no [[memory]] has access = {access!r} (needs at least one)"
            )
    regions = sorted(target.memories, key=lambda m: m.origin)
    for low, high in itertools.pairwise(regions):
        if low.origin + low.length > high.origin:
            raise TargetError(
                f"{place}: memory {low.name!r} ends at {low.origin + low.length:#x}, behind the "
                f"start of {high.name!r} at {high.origin:#x} (regions must not overlap)"
            )
    if target.runner.startswith("qemu") and not target.machine:
        raise TargetError(
            f"{place}: run.machine is empty (must be QEMU's name of a core or board for "
            f"run.runner = {target.runner!r})"
        )
