"""The library speaks of arguments (`threads=3`), the command line of flags (`--threads 3`)."""

from __future__ import annotations

import re

__all__ = ["as_flags"]

# Arguments whose flag is spelled otherwise than by dashes for underscores.
SPELLED = {"every": "--calibrate-every", "input_shapes": "--input-shape", "output": "-o"}
ARGUMENTS = (
    "against",
    "against_source",
    "anchors",
    "chains",
    "code_size_budget",
    "draw",
    "dtype",
    "emulate",
    "every",
    "fit",
    "flash_budget",
    "force",
    "format",
    "head",
    "images",
    "input_shapes",
    "inputs",
    "io",
    "keep_source",
    "labels",
    "limit",
    "log_dir",
    "max_agreement",
    "max_arena",
    "max_cycles",
    "max_flash",
    "max_instructions",
    "max_layer",
    "max_seconds",
    "max_stack",
    "max_stream_arena",
    "max_top1",
    "metric",
    "model",
    "name",
    "neighbours",
    "output",
    "outputs",
    "per_layer",
    "plot",
    "preprocess",
    "random",
    "record",
    "repeat",
    "report",
    "rpc_key",
    "rpc_tracker",
    "runner",
    "seed",
    "serial",
    "single_file",
    "ssh",
    "strategy",
    "task",
    "threads",
    "threshold",
    "top",
    "trials",
)
# `force=True` is a flag alone; so is an argument without a value, as in "leave against= out".
_ARGUMENT = re.compile(
    rf"(?<![\w./=-])({'|'.join(ARGUMENTS)})=(?:True\b|(?=[\s:,;)])|(?=$)|(?P<value>(?=.)))"
)


def as_flags(message: str) -> str:
    """A message of the library as the command line says it.

    >>> as_flags("threads=3: with io=arena there is one thread only (leave threads= out)")
    '--threads 3: with --io arena there is one thread only (leave --threads out)'
    >>> as_flags("net: an artefact is there already (use force=True to replace it)")
    'net: an artefact is there already (use --force to replace it)'
    """

    def flag(found: re.Match[str]) -> str:
        name = found[1]
        spelled = SPELLED.get(name, "--" + name.replace("_", "-"))
        return spelled if found["value"] is None else f"{spelled} "

    return _ARGUMENT.sub(flag, message)
