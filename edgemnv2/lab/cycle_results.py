"""Estimated cycles of ours and other engines, and the model beside published times.

Every row is one artefact: its cycles, arena and flash belong together. Engines for Linux are run in
the emulator in the same command; those for microcontrollers are C libraries that nobody packages:
theirs were measured by hand with the same plugin and LLVM, and X-CUBE-AI's code is not public.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgemnv2.benchmark.cycles import estimate_cycles
from edgemnv2.errors import UsageError
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.target import load_target

__all__ = ["cycles_table", "measure_cycles"]

_FLOAT_PEERS = ("litert", "ncnn", "onnxruntime")
_INT8_PEERS = ("litert", "onnxruntime")
RUNS: tuple[tuple[str, str, str | None, tuple[str, ...]], ...] = (
    ("mps2-an386", "0.35-96-int8", None, ()),
    ("mps2-an500", "0.35-96-int8", None, ()),
    ("mps2-an500", "0.35-144-int8", None, ()),
    ("mps2-an500", "1.0-224-int8", None, ()),
    ("mps3-an547", "0.35-96-int8", None, ()),
    ("mps3-an547", "1.0-224-int8", None, ()),
    ("rpi-zero2", "1.0-224", None, _FLOAT_PEERS),
    ("rpi-zero2", "1.0-224-int8", None, _INT8_PEERS),
    ("rpi4", "1.0-224", None, _FLOAT_PEERS),
    ("rpi4", "1.0-224-int8", None, _INT8_PEERS),
    ("rpi5", "1.0-224", None, _FLOAT_PEERS),
    ("rpi5", "1.0-224", "float16", ()),
    ("rpi5", "1.0-224-int8", None, _INT8_PEERS),
)
"""Target, network, type, engines."""

# M cycles in LLVM's model, pipelines only, as ours; by network and core.
BARE_PEERS: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("0.35-96", "cortex-m4"): {"CMSIS-NN": 50.0},
    ("0.35-96", "cortex-m7"): {"CMSIS-NN": 34.0, "TinyEngine": 31.0},
    ("0.35-144", "cortex-m7"): {"TinyEngine": 66.9},
    ("1.0-224", "cortex-m7"): {"CMSIS-NN": 571.0, "TinyEngine": 543.0},
}
# Published, one thread: engine, network, target, M cycles (time x clock), where from.
PUBLISHED: tuple[tuple[str, str, str, float, str], ...] = (
    ("ncnn", "1.0-224", "rpi4", 167.4, "92.98 ms at 1.8 GHz, ncnn benchmark/README.md"),
    ("ncnn", "1.0-224", "rpi-zero2", 274.0, "273.97 ms at 1 GHz, ncnn benchmark/README.md"),
    ("TinyEngine", "0.35-144", "mps2-an500", 55.0, "50 to 60, MCUNetV2 paper, STM32F746"),
    ("X-CUBE-AI", "1.0-224", "mps2-an500", 442.7, "1106.64 ms at 400 MHz, ST model zoo, STM32H747"),
    ("X-CUBE-AI", "0.35-224", "mps2-an500", 125.6, "313.92 ms at 400 MHz, ST model zoo, STM32H747"),
)


def measure_cycles(
    bare_metal: bool,
    say: Callable[[str], None],
    measured: Sequence[Mapping[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """The runs of `RUNS` on microcontrollers, or those under Linux.

    Of `measured`, rows of an earlier run, engines' figures are kept, where LLVM's model is the
    same: they are traced for many minutes, and do not depend on our kernels.
    """
    rows = []
    chosen = [run for run in RUNS if load_target(run[0]).is_bare_metal == bare_metal]
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
        for number, (target, network, dtype, peers) in enumerate(chosen):
            say(f"{network} {dtype or ''} on {target}, {', '.join(peers) or 'ours alone'}")
            artifact = compile_model(
                f"mobilenetv2-{network}",
                target,
                Path(folder) / str(number),
                CompileOptions(dtype=dtype),
            )
            manifest = artifact.manifest
            figures = estimate_cycles(artifact, () if measured is not None else peers).to_dict()
            del figures["layers"]
            row = {
                "network": network.removesuffix("-int8"),
                "dtype": dtype or ("int8" if network.endswith("-int8") else "float32"),
                "core": artifact.target.cpu.core,
                "arena_bytes": manifest.arena_bytes,
                "flash_bytes": manifest.constants_bytes + manifest.code_bytes,
                **figures,
            }
            if measured is not None and peers:
                row["against"] = _kept(row, measured)
            rows.append(row)
    return rows


def _kept(row: Mapping[str, Any], measured: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Engines' figures beside an earlier measurement of `row`'s network on its target."""
    facts = ("network", "dtype", "target", "model")
    for earlier in measured:
        if all(earlier[name] == row[name] for name in facts):
            return dict(earlier["against"])
    raise UsageError(
        f"{row['network']} {row['dtype']} on {row['target']}: no engine was measured with "
        f"{row['model']} (run it without --keep-peers)"
    )


def cycles_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Ours and others' estimates, and below them the model beside published times."""
    models = sorted({str(row["model"]).partition(" in ")[2] for row in rows})
    lines = [
        f"Estimates, M cycles, {', '.join(models)}: pipelines + waiting for memory, in brackets "
        "what the busiest pipe alone would take.",
        "",
        "| network | target | ours | limited by | others | arena, flash |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        bare = BARE_PEERS.get((row["network"], row["core"]), {}) if row["dtype"] == "int8" else {}
        others = [f"{name} about {value:g}" for name, value in bare.items()]
        others += [
            f"{name} {_parts(peer)} **{row['cycles'] / peer['cycles']:.2f}**"
            for name, peer in row["against"].items()
        ]
        sizes = f"{row['arena_bytes'] / 1024:.1f}, {row['flash_bytes'] / 1024:.0f} KiB"
        lines.append(
            f"| {row['network'].replace('-', '/')} {row['dtype']} | {row['target']} "
            f"| **{row['cycles'] / 1e6:.1f}** = {_parts(row)} ({row['bound'] / 1e6:.1f}) "
            f"| {row['limit']} | {', '.join(others)} | {sizes} |"
        )
    return [*lines, "", *_published(rows)]


def _parts(figure: Mapping[str, Any]) -> str:
    return f"{figure['pipeline'] / 1e6:.1f} + {figure['memory'] / 1e6:.1f}"


def _published(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "| engine, network | target | published, M cycles | model | error |",
        "|---|---|---|---|---|",
    ]
    # With networks on microcontrollers what was published of them, and so under Linux.
    kinds = {load_target(row["target"]).is_bare_metal for row in rows}
    for engine, network, target, cycles, source in PUBLISHED:
        if load_target(target).is_bare_metal not in kinds:
            continue
        model = _modelled(rows, engine, network, target)
        said = "not run" if engine != "X-CUBE-AI" else "not modelled: its code is not public"
        error = "" if model is None else f"{model / cycles - 1:+.0%}"
        lines.append(
            f"| {engine} {network.replace('-', '/')} | {target} | {cycles:g} ({source}) "
            f"| {said if model is None else f'{model:.1f}'} | {error} |"
        )
    return lines


def _modelled(
    rows: Sequence[Mapping[str, Any]], engine: str, network: str, target: str
) -> float | None:
    """M cycles of an engine under the model, None where it was not run."""
    for row in rows:
        if (row["network"], row["target"]) == (network, target) and engine in row["against"]:
            return float(row["against"][engine]["cycles"]) / 1e6
    return BARE_PEERS.get((network, load_target(target).cpu.core), {}).get(engine)
