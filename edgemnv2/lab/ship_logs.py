"""Makes the logs that ship: `python -m edgemnv2.lab.ship_logs [TARGET ...] [--trials N]`.

One log a target, from the networks that its memory is meant for, pruned to the best record of each
task. What shipped before is where the search begins: of kernels that have changed since, what was
best is measured anew, and first. The log of `host` holds times of the machine that made it (its
provenance says which): what was faster there is likely to be on its like, and `edgemnv2 tune` says
it for yours.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from edgemnv2.records.lookup import shipped_logs
from edgemnv2.target import load_target
from edgemnv2.tuner.manage import merge_logs, prune_log
from edgemnv2.tuner.stale import runner_of
from edgemnv2.tuner.tuner import Progress, TuneOptions, TuneResult, tune

__all__ = ["MODELS", "main", "ship"]

_INT8 = ("mobilenetv2-0.35-96-int8", "mobilenetv2-1.0-224-int8")
_FLOAT = ("mobilenetv2-0.35-96", "mobilenetv2-1.0-224")
MODELS = {
    "mps2-an386": _INT8,
    "mps2-an500": _INT8,
    "mps2-an505": _INT8,
    "mps3-an547": _INT8,
    "rpi3": _INT8,
    "rpi4": (*_INT8, *_FLOAT),
    "rpi5": _INT8,
    "x86-64-v3": _INT8[:1],
    "wasm": _INT8,
}
"""What each target's log is tuned for."""
BY_CYCLES = ("rpi3", "rpi4", "rpi5")
"""Targets whose log holds estimated cycles: a count would choose orders that wait for memory."""


def ship(name: str, trials: int, seed: int, work: Path, root: Path) -> list[TuneResult]:
    """Tune the target's networks in `work`, and merge what was found, pruned, into `root`."""
    target = load_target(name)
    results = []
    folder = work / name
    if not folder.exists() and (root / name).exists():
        shutil.copytree(root / name, folder)
    for model in MODELS[name]:

        def report(state: Progress, model: str = model) -> None:
            print(f"{name} {model}: round {state.round} of {state.rounds}", file=sys.stderr)

        runner = runner_of("cycles" if name in BY_CYCLES else "", target)
        results.append(tune(model, name, [runner], folder, TuneOptions(trials, seed), report))
    merge_logs([folder], root / name)
    prune_log(root / name, 1)
    return results


def main() -> int:
    """Ship the logs of the targets on the command line, or of all."""
    parser = argparse.ArgumentParser(prog="python -m edgemnv2.lab.ship_logs", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*MODELS, []], metavar="TARGET")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("tune_work"), help="unpruned logs")
    args = parser.parse_args()
    for name in args.targets or sorted(MODELS):
        for model, result in zip(
            MODELS[name],
            ship(name, args.trials, args.seed, args.work, shipped_logs()),
            strict=True,
        ):
            ratio = result.best_after / result.best_before
            print(
                f"{name} {model}: {result.best_after:.6g} of {result.best_before:.6g} ({ratio:.4f})"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
