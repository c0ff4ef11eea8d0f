"""Plans for several threads, one for each of their numbers."""

from __future__ import annotations

from functools import partial

from edgemnv2.codegen.threads import ThreadParts
from edgemnv2.errors import UsageError
from edgemnv2.memory.thread_plan import plan_threads
from edgemnv2.memory.variants import arena_align, thread_chains
from edgemnv2.ops.graph import Graph
from edgemnv2.schedules import Schedule
from edgemnv2.streaming.lower import RowOps
from edgemnv2.streaming.parts import scratch_of, share_steps
from edgemnv2.target import Target

__all__ = ["plan_thread_parts", "thread_counts"]

DEFAULT_THREADS = (2, 4)
MOST_THREADS = 64


def thread_counts(target: Target, io: str, wanted: int | None) -> tuple[int, ...]:
    """Numbers of threads above one to plan for; `wanted` is the user's.

    By default two and four as far as the target has cores; `clock_hz` 0 stands for a processor that
    is only known where the code runs. Raises UsageError for a number that cannot be planned for.
    """
    if wanted is None:
        if target.is_bare_metal or target.is_web or io != "caller":
            return ()
        cores = target.cpu.cores if target.cpu.clock_hz else max(DEFAULT_THREADS)
        return tuple(count for count in DEFAULT_THREADS if count <= cores)
    if not 1 <= wanted <= MOST_THREADS:
        raise UsageError(f"threads={wanted}: expected 1 to {MOST_THREADS}")
    if wanted == 1:
        return ()
    if target.is_bare_metal:
        raise UsageError(
            f"threads={wanted}: {target.name} runs without an operating system (leave it out)"
        )
    if target.is_web:
        raise UsageError(
            f"threads={wanted}: a module for {target.name} runs on one thread (leave it out)"
        )
    if io != "caller":
        raise UsageError(f"threads={wanted}: with io={io} there is one thread only (use io=caller)")
    return (wanted,)


def plan_thread_parts(
    graph: Graph,
    schedule: Schedule,
    target: Target,
    rows: RowOps,
    chains: str,
    counts: tuple[int, ...],
) -> tuple[ThreadParts, ...]:
    """What each of the thread counts adds to the code."""
    cut = thread_chains(rows, chains)
    planned = []
    for count in counts:
        program, kernels = share_steps(graph, schedule, target, rows, cut, count)
        plan = plan_threads(program, partial(scratch_of, program, kernels), arena_align(target))
        planned.append(ThreadParts(program, plan, kernels))
    return tuple(planned)
