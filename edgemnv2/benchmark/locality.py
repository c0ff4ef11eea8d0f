"""Bytes missed in the target's caches: streamed by rows against layer by layer.

    python -m edgemnv2.benchmark.locality MODEL --target rpi4 [--threads 1,4] [--json]

compiles MODEL with each way of cutting the row program and runs each under the emulator with the
cache model of `runners/cache_model.py`. `edgemnv2 bench NET --caches` does one artefact.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.latency import random_sample
from edgemnv2.errors import EdgeError, RunnerError
from edgemnv2.memory.variants import CHAINS
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.runners.cache_model import KINDS, CacheRun, run_in_cache_model

__all__ = ["Locality", "compare_chains", "locality", "locality_text", "main"]


@dataclass(frozen=True)
class Locality:
    """Bytes of one inference in steady state, by the cache model; instructions of all threads.

    `l1_missed_bytes` and `l2_missed_bytes` hold the sum under "all" and each kind of bytes:
    "weights", "arena" (activations and scratch), "image" (the caller's input and result), "rest".
    `written_back_bytes` went from L2 to memory.
    """

    target: str
    chains: str
    threads: int
    instructions: int
    busiest_thread_instructions: int
    arena_bytes: int
    l1_missed_bytes: dict[str, int]
    l2_missed_bytes: dict[str, int]
    written_back_bytes: int

    @property
    def memory_bytes(self) -> int:
        """Bytes between L2 and what lies behind it, both ways."""
        return self.l2_missed_bytes["all"] + self.written_back_bytes

    def text(self) -> str:
        """A table of its own."""
        return locality_text([self])

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def locality(artifact: Artifact, threads: int = 1, seed: int = 0) -> Locality:
    """The misses of one random input; see `run_in_cache_model` for the errors."""
    return _figures(
        artifact, threads, run_in_cache_model(artifact, random_sample(artifact, seed), threads)
    )


def _figures(artifact: Artifact, threads: int, run: CacheRun) -> Locality:
    arenas = artifact.manifest.threads_arena_bytes

    def missed(level: str) -> dict[str, int]:
        by_kind = {kind: run.missed_bytes(level, [kind]) for kind in KINDS}
        return {"all": run.missed_bytes(level), **by_kind}

    return Locality(
        target=artifact.target.name,
        chains=artifact.manifest.chains,
        threads=threads,
        instructions=sum(run.instructions),
        busiest_thread_instructions=max(run.instructions),
        arena_bytes=artifact.arena_bytes if threads == 1 else arenas[threads],
        l1_missed_bytes=missed("l1"),
        l2_missed_bytes=missed("l2"),
        written_back_bytes=run.written_back_bytes(),
    )


def compare_chains(
    model: str | Path,
    target: str | Path,
    threads: Sequence[int] = (1,),
    ways: Sequence[str] = CHAINS,
    say: Callable[[str], None] = lambda text: None,
) -> list[Locality]:
    """`model` on `target`, cut in each of `ways`, some of `CHAINS`; all outputs must be equal.

    Several threads know two ways only: there "memory" is "blocks". Raises RunnerError when outputs
    are not equal.
    """
    found = []
    first: Any = None
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
        for chains in ways:
            counts = [count for count in threads if count == 1 or chains != "memory"]
            if not counts:
                continue
            options = CompileOptions(chains=chains, threads=max(counts))
            artifact = compile_model(model, target, Path(folder) / chains, options)
            sample = random_sample(artifact, 0)
            for count in counts:
                say(f"{model} on {target}, chains {chains}, threads {count}")
                run = run_in_cache_model(artifact, sample, count)
                first = run.outputs if first is None else first
                if any(not np.array_equal(first[x], run.outputs[x]) for x in first):
                    raise RunnerError(
                        f"{model} on {target}: chains {chains} on {count} threads give another "
                        f"output than the first (a bug of ours: report it)"
                    )
                found.append(_figures(artifact, count, run))
    return found


def locality_text(rows: Sequence[Locality]) -> str:
    """A table of `rows`, MB (10^6 bytes) and millions of instructions."""
    lines = [
        f"{'target':10} {'chains':7} {'threads':>7} {'M instr':>8} {'L1 missed':>10} "
        f"{'weights':>8} {'L2 missed':>10} {'weights':>8} {'written':>8}   MB"
    ]
    for row in rows:
        numbers = (
            row.l1_missed_bytes["all"],
            row.l1_missed_bytes["weights"],
            row.l2_missed_bytes["all"],
            row.l2_missed_bytes["weights"],
            row.written_back_bytes,
        )
        sizes = [
            f"{n / 1e6:{width}.2f}" for n, width in zip(numbers, (10, 8, 10, 8, 8), strict=True)
        ]
        lines.append(
            f"{row.target:10} {row.chains:7} {row.threads:7} {row.instructions / 1e6:8.1f} "
            + " ".join(sizes)
        )
    return "\n".join(lines)


def _ways(text: str) -> list[str]:
    words = text.split(",")
    if not set(words) <= set(CHAINS):
        raise argparse.ArgumentTypeError(f"{text!r}: expected some of {','.join(CHAINS)}")
    return words


def _counts(text: str) -> list[int]:
    words = text.split(",")
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers of threads, as in 1,2,4")
    return [int(word) for word in words]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the ways of cutting one model; exit code 0, 1 with a message, or 2 (usage)."""
    parser = argparse.ArgumentParser(prog="python -m edgemnv2.benchmark.locality")
    parser.add_argument("model", help="a file or a built-in name")
    parser.add_argument("--target", required=True, help="a Linux target with L1 and L2")
    parser.add_argument(
        "--threads",
        type=_counts,
        default=[1],
        metavar="N[,N]",
        help="numbers of threads (1)",
    )
    parser.add_argument(
        "--chains",
        type=_ways,
        default=CHAINS,
        metavar="WAY[,WAY]",
        help=f"some of {','.join(CHAINS)} (all; memory takes minutes to plan)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    args = parser.parse_args(arguments)
    try:
        rows = compare_chains(
            args.model,
            args.target,
            args.threads,
            args.chains,
            lambda text: print(text, file=sys.stderr, flush=True),
        )
    except EdgeError as error:
        print(f"locality: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"rows": [row.to_dict() for row in rows]}))
    else:
        print(locality_text(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
