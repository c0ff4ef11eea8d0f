"""What the user may choose of a compilation, and what can be told of it without a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgemnv2.codegen.names import check_name
from edgemnv2.errors import UsageError
from edgemnv2.frontend.ends import InputShapes
from edgemnv2.memory.variants import check_words, default_io
from edgemnv2.passes.to_float16 import check_float16
from edgemnv2.pipeline.threads import thread_counts
from edgemnv2.schedules import ScheduleOptions
from edgemnv2.target import Target
from edgemnv2.task import NOTHING_SAID, Said

__all__ = ["CompileOptions", "check_options"]


@dataclass(frozen=True)
class CompileOptions:
    """What the user may choose. `None` stands for the target's default.

    `io` "arena", "input" (the results are the caller's) or "caller"; `chains` "memory" (cut so that
    the arena is least), "blocks" (cut after every block) or "layers" (nothing is streamed, to
    compare with), `thread_chains` the same for several threads; `preprocess` names how images
    become inputs, recorded for `run.py`;
    `threads` is the number of threads that there shall be a plan for, besides one.
    `code_size_budget`: most bytes of machine code on bare metal. `flash_budget`: most bytes of
    constants there, None: what the target has for them.
    `dtype` "float16" computes a float32 network in half precision.
    `keep_source` puts the model's file into the artefact, for `verify`.
    `said` is what the user says of the network's task: labels, anchors, how pictures are fitted.
    `input_shapes` fix what is symbolic in the shapes of a file's inputs: name -> shape.
    `tune_logs` is the log to use, else the target's shipped one; `schedule` decides everything
    instead of it.
    """

    name: str | None = None
    io: str | None = None
    chains: str | None = None
    thread_chains: str | None = None
    preprocess: str | None = None
    said: Said = NOTHING_SAID
    threads: int | None = None
    dtype: str | None = None
    code_size_budget: int | None = None
    flash_budget: int | None = None
    input_shapes: InputShapes | None = None
    schedule: ScheduleOptions | None = None
    force: bool = False
    keep_source: bool = False
    tune_logs: Path | None = None
    use_tune_logs: bool = True


def check_options(options: CompileOptions, target: Target) -> None:
    """UsageError for what can be told without a network."""
    if options.name is not None:
        check_name(options.name)
    for name in ("code_size_budget", "flash_budget"):
        budget = getattr(options, name)
        if budget is not None and budget < 1:
            raise UsageError(f"{name}={budget}: expected at least 1")
        if budget is not None and not target.is_bare_metal:
            raise UsageError(f"{name}=: {target.name} is a Linux target (leave the budget out)")
    check_words(io=options.io, chains=options.chains, thread_chains=options.thread_chains)
    thread_counts(target, options.io or default_io(target), options.threads)
    if options.dtype == "float16":
        check_float16(target)
    elif options.dtype not in (None, "float32"):
        raise UsageError(f"dtype={options.dtype}: expected float32 or float16")
