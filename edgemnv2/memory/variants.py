"""The two programs of an artefact, planned: with the whole image present, and with fed rows."""

from __future__ import annotations

from edgemnv2.errors import UsageError
from edgemnv2.memory.orders import ChainPeaks, best_program, operation_orders
from edgemnv2.memory.planner import Planned, least_memory_chains, plan_memory
from edgemnv2.program import RowOps
from edgemnv2.streaming.chains import layer_by_layer
from edgemnv2.streaming.order import block_cuts, cut_points
from edgemnv2.target import Target

__all__ = [
    "CHAINS",
    "IO",
    "arena_align",
    "check_words",
    "default_chains",
    "default_io",
    "plan_graph",
    "plan_quickly",
    "thread_chains",
]

CHAINS = ("memory", "blocks", "layers")
"""Ways to cut: for the least arena, after every block, after every operation."""

IO = ("arena", "input", "caller")
"""What lies in the arena: inputs and outputs, inputs alone, neither."""
QUICK_TRIES = 6


def default_io(target: Target) -> str:
    """ "arena" on bare metal, where the image's RAM is worth reusing; "caller" elsewhere."""
    return "arena" if target.is_bare_metal else "caller"


def default_chains(target: Target) -> str:
    """ "memory" on bare metal, where the arena decides what fits; "blocks" elsewhere."""
    return "memory" if target.is_bare_metal else "blocks"


def check_words(**given: str | None) -> None:
    """UsageError for a word of `io`, `chains` or `thread_chains` that is none of theirs."""
    for name, word in given.items():
        known = IO if name == "io" else CHAINS
        if word is not None and word not in known:
            raise UsageError(f"{name}={word}: expected one of {', '.join(known)}")


def thread_chains(rows: RowOps, chains: str) -> list[tuple[int, int]]:
    """How the program for several threads is cut: as for one, but "memory" as "blocks"."""
    if chains == "layers":
        return layer_by_layer(range(len(rows.ops) + 1))
    return layer_by_layer(block_cuts(rows))


def arena_align(target: Target) -> int:
    """Alignment of the arena and of everything in it: a vector register where there are any."""
    return 8 if target.is_bare_metal else 64


def plan_graph(
    rows: RowOps,
    io: str,
    chains: str,
    align_bytes: int,
    fed: tuple[str, ...] | None = None,
) -> tuple[Planned, Planned]:
    """The program with all inputs present, and the one that is fed row by row.

    `io` out of `IO`; `chains` out of `CHAINS`. `fed`: the input that arrives by rows, by
    default the first that is read; the others are whole in the caller's memory then. Raises
    UsageError for other words.
    """
    check_words(io=io, chains=chains)
    if fed is None:
        # An input that nobody reads has no rows to ask for.
        read = {read.tensor for op in rows.ops for read in op.reads}
        fed = tuple(name for name in rows.inputs if name in read)[:1]
    everything = frozenset({*rows.inputs, *rows.outputs})
    whole_external = {
        "arena": frozenset[str](),
        "input": frozenset(rows.outputs),
        "caller": everything,
    }[io]
    # Both programs share their table of operations.
    peaks = ChainPeaks(rows)
    orders = operation_orders(rows) if chains == "memory" else [rows]
    if len(orders) > 1:
        peaks = _best_order(orders, fed, whole_external, everything - set(fed))
        rows = peaks.rows
    planned = []
    for by_rows, external in ((), whole_external), (fed, everything - set(fed)):
        if chains == "memory":
            cut = least_memory_chains(
                rows, fed=by_rows, external=external, align_bytes=align_bytes, peaks=peaks
            )
        else:
            cut = thread_chains(rows, chains)
        planned.append(_plan_variant(rows, cut, by_rows, external, align_bytes))
    return planned[0], planned[1]


def _best_order(
    orders: list[RowOps], fed: tuple[str, ...], whole: frozenset[str], stream: frozenset[str]
) -> ChainPeaks:
    """The order with the smaller arena for whole images; among equals, for rows that are fed."""
    peaks = [ChainPeaks(order) for order in orders]
    needed = [one.least((), whole) for one in peaks]
    equal = [one for one, bytes_ in zip(peaks, needed, strict=True) if bytes_ == min(needed)]
    return equal[0] if len(equal) == 1 else min(equal, key=lambda one: one.least(fed, stream))


def _plan_variant(
    rows: RowOps,
    chains: list[tuple[int, int]],
    fed: tuple[str, ...],
    external: frozenset[str],
    align_bytes: int,
) -> Planned:
    """One program of `rows`, cut into `chains`, with its arena."""
    program = best_program(rows, chains, fed=fed, external=external)
    return Planned(program, plan_memory(program, align_bytes))


def plan_quickly(rows: RowOps, like: Planned, align_bytes: int) -> Planned:
    """`rows` cut where `like`, a plan of the same network with other kernels, is cut.

    Takes a fraction of the time of `plan_graph`; the arena may be a little larger.
    """
    ends = {like.program.ops[last - 1].output for _, last in like.program.chains}
    cuts = [p for p in cut_points(rows) if p == 0 or rows.ops[p - 1].output in ends]
    program = best_program(
        rows, layer_by_layer(cuts), fed=like.program.fed, external=like.program.external
    )
    return Planned(program, plan_memory(program, align_bytes, QUICK_TRIES))
