"""A network planned for a target: kernels, row programs, arenas. Everything but its code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from edgemnv2.codegen.constants import ConstantBlob, pack_constants
from edgemnv2.codegen.threads import ThreadParts
from edgemnv2.errors import DoesNotFit
from edgemnv2.memory.core_plan import CorePlan
from edgemnv2.memory.planner import Planned
from edgemnv2.memory.report import cores_message, does_not_fit_message, flash_message
from edgemnv2.memory.variants import default_chains
from edgemnv2.ops.graph import Graph
from edgemnv2.pipeline.flash import FlashUse
from edgemnv2.pipeline.options import CompileOptions
from edgemnv2.records.lookup import Tuned, tuned_or_default
from edgemnv2.schedules import Schedule, ScheduleOptions
from edgemnv2.streaming.lower import RowOps
from edgemnv2.streaming.two_cores import CORES
from edgemnv2.target import Target

__all__ = ["Cuts", "NetworkPlan", "Scheduled", "check_fit", "decisions"]


@dataclass(frozen=True)
class Cuts:
    """Where the row program is cut into chains: for one thread, and for several."""

    chains: str
    thread_chains: str


@dataclass(frozen=True, eq=False)
class Scheduled:
    """A network with the kernels of one target, as row operations.

    `graph` is the network as it is computed, which float16 makes another one. `tuned` is what a
    tuning log had to say, `flash` what was bought on a microcontroller (None for a schedule that
    decides everything).
    """

    graph: Graph
    target: Target
    schedule: Schedule
    rows: RowOps
    cuts: Cuts
    tuned: Tuned
    flash: FlashUse | None = None

    @cached_property
    def constants(self) -> ConstantBlob:
        """Weights and tables of all kernels."""
        return pack_constants(self.schedule.kernels)


@dataclass(frozen=True, eq=False)
class NetworkPlan:
    """The programs and arenas of a scheduled network.

    `whole` has all inputs in memory, `stream` is fed the first one row by row, `threads` are the
    plans for more than one thread. `io` "arena" or "caller" is where the ends live.
    """

    scheduled: Scheduled
    io: str
    whole: Planned
    stream: Planned
    threads: tuple[ThreadParts, ...]
    cores: CorePlan | None = None
    """For two cores of a microcontroller."""

    @property
    def thread_arenas(self) -> dict[int, int]:
        """Bytes of the arena by number of threads or cores, those above one."""
        found = {one.program.threads: one.plan.arena_bytes for one in self.threads}
        if self.cores is not None:
            found[CORES] = self.cores.plan.arena_bytes
        return found


def decisions(
    graph: Graph, target: Target, options: CompileOptions
) -> tuple[ScheduleOptions, Cuts, Tuned]:
    """The schedule's options, how chains are cut, and what a tuning log had to say about it.

    The caller's own schedule stands as it is; else the tuning log fills in what it knows.
    """
    chosen = options.schedule or ScheduleOptions.default(target)
    tuned = Tuned()
    if options.schedule is None and options.use_tune_logs:
        tuned = tuned_or_default(graph, target, options.tune_logs, chosen)
        chosen = replace(
            chosen,
            decisions=tuned.decisions,
            records=tuned.records,
            whole_rows_max=tuned.network.get("whole_rows_max", chosen.whole_rows_max),
        )
    default = default_chains(target)
    cuts = Cuts(
        options.chains or tuned.network.get("chains", default),
        options.thread_chains or options.chains or tuned.network.get("thread_chains", default),
    )
    return chosen, cuts, tuned


def check_fit(plan: NetworkPlan) -> None:
    """DoesNotFit where a microcontroller's memories are too small; Linux targets always fit."""
    target, graph = plan.scheduled.target, plan.scheduled.graph
    constants_bytes = len(plan.scheduled.constants.data)
    if not target.is_bare_metal:
        return
    if plan.whole.plan.arena_bytes > target.ram_bytes:
        raise DoesNotFit(does_not_fit_message(plan.whole, target, graph))
    if plan.cores is not None and plan.cores.plan.arena_bytes > target.ram_bytes:
        raise DoesNotFit(cores_message(plan.cores.plan.arena_bytes, target, graph))
    if constants_bytes > target.flash_bytes:
        raise DoesNotFit(flash_message(constants_bytes, target, graph))
