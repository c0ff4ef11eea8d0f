"""Plans for several threads, one for each of their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from edgemnv2.codegen.threads import ThreadParts
from edgemnv2.errors import UsageError
from edgemnv2.memory.core_plan import CorePlan, plan_cores
from edgemnv2.memory.planner import Planned
from edgemnv2.memory.thread_plan import plan_threads
from edgemnv2.memory.variants import arena_align, thread_chains
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.program import RowOp, Step
from edgemnv2.schedules import Schedule
from edgemnv2.streaming.lower import RowOps
from edgemnv2.streaming.parts import scratch_of, share_steps
from edgemnv2.streaming.two_cores import CORES
from edgemnv2.target import Target

__all__ = ["plan_thread_parts", "plan_two_cores", "thread_counts"]

DEFAULT_THREADS = (2, 4)
MOST_THREADS = 64
WEB_THREADS = 2
"""The page's own and one worker: more would want what telephones have not."""
ARENA_GROWTH = 1.25
"""How much larger the arena of two cores may be than that of one."""
_DEPTHWISE_MAC, _ELEMENT, _STEP = 2.5, 6.0, 200.0
"""Instructions of a depthwise multiply-accumulate, of an output element and of a step beside those
of a multiply-accumulate of a product, about: measured on the M33 and M7."""


def thread_counts(target: Target, io: str, wanted: int | None) -> tuple[int, ...]:
    """Numbers of threads above one to plan for; `wanted` is the user's.

    By default two and four as far as the target has cores; `clock_hz` 0 stands for a processor that
    is only known where the code runs. Raises UsageError for a number that cannot be planned for.
    """
    if wanted is None:
        if target.is_bare_metal or io != "caller":
            return ()
        if target.is_web:
            # A browser without SIMD has no shared memory, either.
            return (WEB_THREADS,) if target.cpu.features else ()
        cores = target.cpu.cores if target.cpu.clock_hz else max(DEFAULT_THREADS)
        return tuple(count for count in DEFAULT_THREADS if count <= cores)
    if not 1 <= wanted <= MOST_THREADS:
        raise UsageError(f"threads={wanted}: expected 1 to {MOST_THREADS}")
    if wanted == 1:
        return ()
    if target.is_bare_metal:
        if target.cpu.cores < CORES:
            raise UsageError(f"threads={wanted}: {target.name} has one core (leave it out)")
        if target.cpu.isa != "thumb":
            raise UsageError(
                f"threads={wanted}: on {target.name} one core runs the network; two are for Arm's "
                "(leave it out)"
            )
        if wanted != CORES:
            raise UsageError(f"threads={wanted}: expected 1 or {CORES} on {target.name}")
        return (CORES,)
    if target.is_web and (wanted != WEB_THREADS or not target.cpu.features):
        most = f"1 or {WEB_THREADS}" if target.cpu.features else "1"
        raise UsageError(f"threads={wanted}: expected {most} for {target.name}")
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


def plan_two_cores(graph: Graph, schedule: Schedule, target: Target, whole: Planned) -> CorePlan:
    """The program of one core shared by two, in an arena that is not much larger."""
    layers = {layer.name: layer for layer in graph.layers}
    costs = [_step_cost(graph, schedule, layers, op) for op in whole.program.ops]

    def cost(step: Step) -> float:
        return costs[step.op]

    most = int(ARENA_GROWTH * whole.plan.arena_bytes)
    return plan_cores(whole.program, cost, most, arena_align(target))


def _step_cost(graph: Graph, schedule: Schedule, layers: Mapping[str, Layer], op: RowOp) -> float:
    """About how long a step takes."""
    layer = graph.layers[op.layer]
    out = graph.tensor_out(layer)
    computed = [layer, *(layers[name] for name in schedule.kernels[op.name].fuses)]
    macs = sum(
        graph.macs(one) * (_DEPTHWISE_MAC if one.op == "depthwise" else 1.0) for one in computed
    )
    elements = out.height * out.width * out.channels
    return (macs + _ELEMENT * elements) / op.steps + _STEP
