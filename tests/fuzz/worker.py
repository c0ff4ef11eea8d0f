"""One process of the sandbox: reads seeds, answers a line of JSON for every stage of each.

What a file can do to a process it does here: crash it, fill its memory, hang. `pool` watches.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.errors import EdgeError
from tests.fuzz.checks import MODELS, check_compiled, check_file, check_planned
from tests.fuzz.mutate import damaged
from tests.fuzz.originals import KINDS, original

__all__ = ["case", "main"]

MEMORY_BYTES = 2 << 30
"""What one file may take, besides the process itself."""
PLANT = "EDGEMNV2_FUZZ_PLANT"
"""Python that is run before every ONNX file: for the test that the sandbox sees what it does."""
SPARE_BYTES = 1 << 30
"""Address space of threads and of mapped libraries, which is no memory."""


def case(seed: int, *, shared: bool = False) -> tuple[str, bytes, np.random.Generator]:
    """Kind and bytes of one damaged file, and what its check draws further choices from."""
    kind = KINDS[seed % len(KINDS)]
    random = np.random.default_rng(seed)
    return kind, damaged(kind, original(kind, random, shared=shared), random), random


def main() -> None:
    """Until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--compile-every", type=int, default=1)
    args = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    first = Path(tempfile.mkdtemp(dir=args.folder))
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = size + MEMORY_BYTES + SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    def answer(**facts: Any) -> None:
        print(json.dumps(facts), file=answers, flush=True)

    answer(stage="ready")
    for line in sys.stdin:
        seed = int(line)
        folder = first / str(seed)
        folder.mkdir()
        kind, blob, random = case(seed, shared=args.shared)
        _forget_peak()
        answer(stage="file", kind=kind)
        if kind == "onnx" and PLANT in os.environ:
            _outcome(partial(exec, os.environ[PLANT]))
        word, text = _outcome(partial(check_file, kind, blob, folder, random))
        if word == "accepted" and kind in MODELS:
            answer(stage="compile", kind=kind)
            wanted = random.integers(args.compile_every) == 0
            word, text = _outcome(
                partial(check_compiled if wanted else check_planned, kind, folder)
            )
        peak = _peak_bytes()
        if peak > MEMORY_BYTES:
            word, text = "fault", f"{peak >> 20} MiB"
        answer(stage="done", kind=kind, word=word, text=text)
        shutil.rmtree(folder, ignore_errors=True)


def _outcome(check: Any) -> tuple[str, str]:
    try:
        return check(), ""
    except EdgeError as error:
        return "fault", f"escaped: {type(error).__name__}: {error}"[:400]
    except Exception as error:
        place = next(
            (
                f"{Path(x.filename).name}:{x.lineno}"
                for x in reversed(traceback.extract_tb(error.__traceback__))
                if "edgemnv2" in x.filename and "site-packages" not in x.filename
            ),
            "",
        )
        return "fault", f"{place}: {type(error).__name__}: {str(error).strip()[-300:]}"


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
