"""Random integer networks compiled for one target and run there: `python -m
tests.networks.emulated --target T [--count N] [--start SEED]`.

Every second network is a small MobileNetV2 (`tests/streaming/random_networks.py`: what SIMD kernels
are written for), the others are TFLite files over the whole vocabulary. Whatever runs the target
(an emulator, Node, this computer) must give the reference's bytes. Exit code 1 where one differs,
cannot be compiled or crashes, or where none was run.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from unittest.mock import patch

from edgemnv2.check.verify import SampleChoice, verify
from edgemnv2.errors import DoesNotFit, ModelError
from edgemnv2.frontend import load_model
from edgemnv2.memory import planner
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_graph
from edgemnv2.runners import runner_for
from edgemnv2.runners.qemu_user import EmulatorError
from edgemnv2.target import Target, load_target
from tests.networks.random_tflite import random_network
from tests.streaming.random_networks import HASTY_PLANNER, random_graph

__all__ = ["integer_graph", "main", "outcome_on"]

SAMPLES = 3
OK, NOT_INTEGER, TOO_LARGE = "ok", "not integer", "does not fit the board"
EMULATOR = "the emulator's own fault"


def integer_graph(seed: int, folder: Path) -> Graph | None:
    """The network of this seed; None where it is a float one."""
    if seed % 2 == 0:
        return random_graph(seed)
    net = random_network(seed)
    if net.dtype == "float32":
        return None
    path = folder / f"net{seed}{net.suffix}"
    path.write_bytes(net.blob)
    try:
        return lower(load_model(path))
    finally:
        path.unlink()


def outcome_on(target: Target, seed: int, folder: Path) -> str:
    """`OK`, why there was nothing to compare, or what is wrong."""
    output = folder / f"net{seed}"
    try:
        graph = integer_graph(seed, folder)
        if graph is None or (target.is_bare_metal and not graph.is_integer):
            return NOT_INTEGER
        artifact = compile_graph(graph, target, output)
        found = verify(artifact, runner_for(artifact), SampleChoice(random=SAMPLES))
    except DoesNotFit:
        return TOO_LARGE
    except EmulatorError:
        return EMULATOR
    except ModelError as error:
        return f"refused: {error}"
    except Exception as error:  # that is what is looked for
        return f"{type(error).__name__}: {error}"[:300]
    finally:
        shutil.rmtree(output, ignore_errors=True)
    return OK if found.passed and found.exact else f"differs: {found.first_divergence}"


def main(arguments: list[str] | None = None) -> int:
    """Run networks until `--count` were compared, print what became of them."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.networks.emulated", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--target", required=True)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--start", type=int, default=0, metavar="SEED")
    args = parser.parse_args(arguments)
    target = load_target(args.target)
    kinds: Counter[str] = Counter()
    seed = args.start
    with patch.multiple(planner, **HASTY_PLANNER), tempfile.TemporaryDirectory() as name:
        while kinds[OK] + kinds["wrong"] < args.count and seed < args.start + 3 * args.count:
            found = outcome_on(target, seed, Path(name))
            wrong = found not in (OK, NOT_INTEGER, TOO_LARGE, EMULATOR)
            kinds["wrong" if wrong else found] += 1
            if wrong:
                print(f"seed {seed}: {found}", flush=True)
            seed += 1
    passed = kinds[OK] > 0 and not kinds["wrong"]
    print(f"{target.name}, seeds {args.start} to {seed - 1}: {dict(sorted(kinds.items()))}")
    print("PASSED" if passed else "FAILED")
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
