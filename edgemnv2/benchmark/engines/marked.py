"""Runs another engine so that an emulator's plugins see where its inferences begin and end.

    python -m edgemnv2.benchmark.engines.marked ENGINE MODEL INPUT.npz OUTPUT.npz

The mark is the system call `getppid`, which nothing else makes meanwhile. One inference warms up,
then each of `MARKED` has a mark before and behind it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgemnv2.benchmark.engines.table import PEERS, make_peer

__all__ = ["MARKED", "MARK_CALLS", "main"]

MARKED = 2
MARK_CALLS = {"aarch64": 173, "x86_64": 110}
"""Number of the system call by instruction set (Linux, `asm/unistd.h`)."""


def main(arguments: Sequence[str]) -> int:
    """Run the engine once to warm up and `MARKED` times between marks; write its outputs."""
    parser = argparse.ArgumentParser(
        prog="python -m edgemnv2.benchmark.engines.marked", description=main.__doc__
    )
    parser.add_argument("engine", choices=sorted(PEERS))
    parser.add_argument("model", type=Path)
    parser.add_argument("input", type=Path, help="a .npz: the names of the arrays, then these")
    parser.add_argument("output", type=Path, help="a .npz")
    args = parser.parse_args(arguments)
    # A keyword of `savez` could not be any name: names are the first array.
    names, *arrays = np.load(args.input).values()
    peer = make_peer(args.engine, args.model, 1, dict(zip(names.tolist(), arrays, strict=True)))
    peer.infer()
    for _ in range(MARKED):
        os.getppid()
        peer.infer()
        os.getppid()
    np.savez(args.output, *peer.outputs())
    print(f"edgemnv2 version {peer.version}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
