"""What the built-in int8 networks need on microcontrollers: the largest that fits a board.

Planning one network takes seconds and there are 25, so the figures are made once, by
`python -m edgemnv2.check.built_in_sizes`, and kept in `built_in_sizes.json`; a test makes some
of them again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from edgemnv2.frontend.network import PUBLISHED_RESOLUTIONS, PUBLISHED_WIDTHS
from edgemnv2.pipeline import CompileOptions, lower_source, plan_network
from edgemnv2.target import Target, load_target

__all__ = ["BuiltInSize", "built_in_sizes", "kernel_set", "largest_built_in", "measure_built_in"]

FILE = Path(__file__).parent / "built_in_sizes.json"
SET_TARGETS = ("cortex-m0plus", "mps2-an500", "mps3-an547")
"""One target of each set of Cortex-M kernels; the boards of a set share its figures."""


@dataclass(frozen=True)
class BuiltInSize:
    """One built-in network with one set of kernels."""

    name: str
    kernels: str
    macs: int
    arena_bytes: int
    stream_arena_bytes: int
    constants_bytes: int

    def fits(self, target: Target) -> bool:
        """Whether image, activations and weights fit; code comes on top of the weights."""
        return self.arena_bytes <= target.ram_bytes and self.constants_bytes < target.flash_bytes


def kernel_set(target: Target) -> str:
    """Which kernels the core's features select: `c`, `dsp` or `mve`; `linux` for all others."""
    if not target.is_bare_metal:
        return "linux"
    return "mve" if target.has("mve") else "dsp" if target.has("dsp") else "c"


def measure_built_in(name: str, target: Target) -> BuiltInSize:
    """Plan the built-in network `name` for `target`, as `compile` does."""
    graph = lower_source(name)
    plan = plan_network(graph, target, CompileOptions(use_tune_logs=False, threads=1))
    return BuiltInSize(
        name=name,
        kernels=kernel_set(target),
        macs=sum(graph.macs(layer) for layer in graph.layers),
        arena_bytes=plan.whole.plan.arena_bytes,
        stream_arena_bytes=plan.stream.plan.arena_bytes,
        constants_bytes=len(plan.scheduled.constants.data),
    )


@cache
def built_in_sizes() -> tuple[BuiltInSize, ...]:
    """All figures of the file."""
    return tuple(BuiltInSize(**entry) for entry in json.loads(FILE.read_text(encoding="utf-8")))


def largest_built_in(target: Target) -> BuiltInSize | None:
    """The built-in network with the most multiply-accumulates that fits `target`."""
    kernels = kernel_set(target)
    fitting = [size for size in built_in_sizes() if size.kernels == kernels and size.fits(target)]
    return max(fitting, key=lambda size: size.macs, default=None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the file again, in four minutes; progress on stderr."""
    argparse.ArgumentParser(
        prog="python -m edgemnv2.check.built_in_sizes", description=main.__doc__
    ).parse_args(arguments)
    found: list[Mapping[str, object]] = []
    for target in map(load_target, SET_TARGETS):
        for width in PUBLISHED_WIDTHS:
            for resolution in PUBLISHED_RESOLUTIONS:
                size = measure_built_in(f"mobilenetv2-{width}-{resolution}-int8", target)
                print(size, file=sys.stderr)
                found.append(asdict(size))
    lines = ",\n".join(json.dumps(entry) for entry in found)
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
