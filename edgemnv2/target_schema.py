"""What a target file may say: its tables, their keys, and what each of them may hold."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgemnv2.errors import TargetError

__all__ = [
    "FEATURES",
    "METRICS",
    "OPTIONAL",
    "RUNNERS",
    "SCHEMA",
    "SETS",
    "SPLIT_OPERATIONS",
    "Rule",
    "check_keys",
]

FEATURES = {
    "x86_64": ("avx2", "avx512vbmi", "avx512vnni", "fma"),
    "aarch64": ("dotprod", "fp16", "neon"),
    "armv7a": ("neon", "vfp4"),
    "thumb": ("dsp", "fpu", "mve"),
    "riscv32": ("a", "c", "f", "m"),
    "riscv64": ("v",),
    "c99": (),
    "wasm32": ("relaxed-simd", "simd128"),
}
SPLIT_OPERATIONS = {"aarch64": ("fmax", "uzp1")}
"""Vector operations that some cores take several of their own for, as the core's own guide says
(a "Software Optimization Guide"), and that kernels do without there. Left out, a core has none."""
RUNNERS = ("local", "node", "qemu-system", "qemu-user", "rpc", "serial", "ssh")
METRICS = ("cycles", "instructions", "seconds")


@dataclass(frozen=True)
class Rule:
    """What one key may hold: text, an integer in a range, or a list of texts."""

    kind: str
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 0

    def expectation(self) -> str:
        """How the error message ends."""
        if self.kind == "integer":
            return f"an integer from {self.low} to {self.high}"
        what = "a list of texts" if self.kind == "list" else "a text"
        return (
            f"{what} out of: {', '.join(repr(c) for c in self.choices)}" if self.choices else what
        )

    def accepts(self, value: object) -> bool:
        """Whether `value` obeys the rule."""
        if self.kind == "integer":
            # TOML's booleans are Python's, and those are integers.
            return type(value) is int and self.low <= value <= self.high
        texts = value if self.kind == "list" else [value]
        if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
            return False
        return not self.choices or all(t in self.choices for t in texts)


_TEXT = Rule("text")
_ADDRESS_LIMIT = 2**48
_ALL_FEATURES = tuple(sorted({f for names in FEATURES.values() for f in names}))
_ALL_SPLIT = tuple(sorted({name for names in SPLIT_OPERATIONS.values() for name in names}))
SCHEMA: dict[str, dict[str, Rule]] = {
    "cpu": {
        "core": _TEXT,
        "isa": Rule("text", tuple(sorted(FEATURES))),
        "features": Rule("list", _ALL_FEATURES),
        "cores": Rule("integer", low=1, high=256),
        "clock_hz": Rule("integer", low=0, high=10_000_000_000),
        "l1d_bytes": Rule("integer", low=0, high=2**24),
        "l2_bytes": Rule("integer", low=0, high=2**30),
        "l1d_ways": Rule("integer", low=0, high=64),
        "l2_ways": Rule("integer", low=0, high=64),
        "l2_cores": Rule("integer", low=0, high=256),
        "cache_line_bytes": Rule("integer", low=0, high=1024),
        "split_operations": Rule("list", _ALL_SPLIT),
    },
    "toolchain": {
        "triple": _TEXT,
        "mcpu": _TEXT,
        "mattr": Rule("list"),
        "float_abi": Rule("text", ("", "hard", "soft")),
    },
    "memory": {
        "name": _TEXT,
        "origin": Rule("integer", low=0, high=_ADDRESS_LIMIT),
        "length": Rule("integer", low=1, high=_ADDRESS_LIMIT),
        "access": Rule("text", ("rw", "rwx", "rx")),
    },
    "run": {"runner": Rule("text", RUNNERS), "machine": _TEXT},
    "tune": {"metric": Rule("text", METRICS)},
    "cycles": {
        "core": _TEXT,
        "l2_cycles": Rule("integer", low=0, high=10_000),
        "memory_cycles": Rule("integer", low=0, high=10_000),
    },
}
SETS = ("features", "split_operations")
"""Keys of [cpu] whose order has no meaning."""
OPTIONAL = frozenset({"cycles", "cpu.split_operations"})
"""Tables and keys that a file may leave out."""


def check_keys(table: Mapping[str, Any], known: set[str], place: str, prefix: str) -> None:
    """Raises TargetError for keys of `table` that are not `known`, and for known ones not there."""
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), n=1)
            hint = f"; did you mean {prefix}{near[0]}?" if near else ""
            raise TargetError(
                f"{place}: unknown key {prefix}{key} (expected {', '.join(sorted(known))}){hint}"
            )
    for key in sorted(known - set(table)):
        if f"{prefix}{key}" in OPTIONAL:
            continue
        raise TargetError(f"{place}: key {prefix}{key} is missing (target files are complete)")
