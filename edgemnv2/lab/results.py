"""The figures in the README: measured by one command, committed as JSON, rendered as tables.

    python -m edgemnv2.lab.results memory        arena sizes, every network
    python -m edgemnv2.lab.results cortex-m      instructions under qemu-system-arm
    python -m edgemnv2.lab.results cortex-a      instructions under qemu-aarch64
    python -m edgemnv2.lab.results cycles-m      estimated cycles on microcontrollers
    python -m edgemnv2.lab.results cycles-a      the same on Cortex-A, with other engines
    python -m edgemnv2.lab.results flash         what flash buys on microcontrollers
    python -m edgemnv2.lab.results ranks         how estimates order kernels, beside their time
    python -m edgemnv2.lab.results locality      bytes missed in the caches, by a model
    python -m edgemnv2.lab.results quantization [DATA]   accuracy of int8 beside float
    python -m edgemnv2.lab.results rounding [FOLDER]     ONNX's files, rounded twice and once
    python -m edgemnv2.lab.results host [INT8]   seconds on this computer beside other engines
    python -m edgemnv2.lab.results task-seconds  detector and segmenter beside LiteRT
    python -m edgemnv2.lab.results task-instructions     the same on Raspberry Pis, instructions
    python -m edgemnv2.lab.results steps         the longest step of an inference in pieces
    python -m edgemnv2.lab.results two-cores     two cores of a Pico beside one
    python -m edgemnv2.lab.results scalar [FOLDER]       cores without SIMD beside TFLM's kernels
    python -m edgemnv2.lab.results web [INT8]    seconds in a browser beside other engines
    python -m edgemnv2.lab.results readme        put the tables into the README and pages of help

Each writes `results/<name>.json` beside this file, with the command and the versions that it ran
with. Peers' figures are published or were measured beside ours; each row says where from.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edgemnv2.errors import EdgeError
from edgemnv2.lab.core_results import core_table, measure_cores
from edgemnv2.lab.cycle_results import cycles_table, measure_cycles
from edgemnv2.lab.flash_results import flash_table, measure_flash
from edgemnv2.lab.host_results import host_table, measure_host
from edgemnv2.lab.quantization_results import measure_quantization, quantization_table
from edgemnv2.lab.rank_results import measure_ranks, ranks_table
from edgemnv2.lab.rounding_results import measure_rounding, rounding_table
from edgemnv2.lab.scalar_results import measure_scalar, scalar_table
from edgemnv2.lab.step_results import measure_steps, steps_table
from edgemnv2.lab.task_memory import measure_task_memory, task_memory_table
from edgemnv2.lab.task_speed import (
    measure_task_instructions,
    measure_task_seconds,
    task_instructions_table,
    task_seconds_table,
)
from edgemnv2.lab.web_results import measure_web, web_table
from edgemnv2.version import __version__

__all__ = ["documents", "generated_sections", "load", "main", "render", "render_readme"]

FOLDER = Path(__file__).parent / "results"
PACKAGE = Path(__file__).resolve().parent.parent

NETWORKS = ("0.35-96", "0.35-144", "1.0-96", "1.0-224", "1.4-224")
CORTEX_M_NETWORKS = ("0.35-96", "0.35-144", "1.0-224")
CORTEX_M_TARGETS = ("mps2-an386", "mps2-an500", "mps3-an547")
CORTEX_A_RUNS = (
    ("rpi3", "1.0-224-int8"),
    ("rpi4", "1.0-224"),
    ("rpi4", "1.0-224-int8"),
    ("rpi5", "1.0-224"),
    ("rpi5", "1.0-224-int8"),
)
# "memory", which takes minutes to plan, once: it differs from "blocks" in the early blocks only.
LOCALITY_RUNS = (
    *(
        (target, network, ("blocks", "layers"), (1, 4))
        for target in ("rpi3", "rpi4", "rpi5")
        for network in ("1.0-224", "1.0-224-int8")
    ),
    ("x86-64-v3", "1.0-224", ("blocks", "layers"), (1, 2)),
    ("x86-64-v3", "1.0-224-int8", ("blocks", "layers"), (1, 2)),
    ("rpi4", "1.0-224", ("memory",), (1,)),
    ("rpi4", "1.0-224-int8", ("memory",), (1,)),
)

# KiB of RAM for activations, as published; None where there is no figure for that network.
MEMORY_PEERS: Mapping[str, Mapping[str, tuple[float, str]]] = {
    "0.35-144": {
        "TinyEngine": (288.1, "295 kB, MCUNetV2 paper"),
        "msf-CNN, no recomputation": (176.8, "181 kB, msf-CNN paper"),
        "msf-CNN, 1.9 % more MACs": (81.1, "83 kB, msf-CNN paper"),
    },
    "1.0-224": {
        "ST X-CUBE-AI": (1727.0, "ST model zoo"),
        "MCUNetV2, 10 % more MACs": (168.0, "172 kB, MCUNetV2 paper"),
        "TFLM": (1626.7, "measured: 1,665,776 bytes for the PTQ model"),
    },
}
# M instructions an inference: CMSIS-NN (best of -O2 and -O3) and TinyEngine's kernels, measured
# in the same emulator with the same counting.
CORTEX_M_PEERS: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("0.35-96", "mps2-an386"): {"CMSIS-NN": 46.9, "TinyEngine": 38.2},
    ("0.35-96", "mps2-an500"): {"CMSIS-NN": 46.9, "TinyEngine": 37.6},
    ("0.35-96", "mps3-an547"): {"CMSIS-NN": 12.45},
    ("0.35-144", "mps2-an386"): {"CMSIS-NN": 104.1, "TinyEngine": 82.7},
    ("0.35-144", "mps2-an500"): {"CMSIS-NN": 104.0, "TinyEngine": 81.2},
    ("0.35-144", "mps3-an547"): {"CMSIS-NN": 27.7},
    ("1.0-224", "mps2-an386"): {"CMSIS-NN": 783.7, "TinyEngine": 680.3},
    ("1.0-224", "mps2-an500"): {"CMSIS-NN": 775.5, "TinyEngine": 671.0},
    ("1.0-224", "mps3-an547"): {"CMSIS-NN": 166.0},
}
CORTEX_A_PEERS: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("rpi3", "1.0-224-int8"): {"onnxruntime": 119.8, "LiteRT": 131.9},
    ("rpi4", "1.0-224"): {"ncnn": 101.2, "LiteRT": 123.3},
    ("rpi4", "1.0-224-int8"): {"LiteRT": 113.7, "onnxruntime": 119.8},
    ("rpi5", "1.0-224"): {"ncnn": 101.2, "LiteRT": 120.5},
    ("rpi5", "1.0-224-int8"): {"LiteRT": 49.2, "onnxruntime": 60.3},
}


def measure_memory(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Arena of each network, int8, image in the arena, and with fed rows."""
    return [_compiled(f"{n}-int8", "mps2-an500", say, run=False, io="arena") for n in NETWORKS]


def measure_cortex_m(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Instructions of each network on M4, M7 and M55."""
    return [
        _compiled(f"{network}-int8", target, say)
        for network in CORTEX_M_NETWORKS
        for target in CORTEX_M_TARGETS
    ]


def measure_cortex_a(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Instructions of 1.0/224 on the Raspberry Pis, one thread."""
    return [_compiled(network, target, say) for target, network in CORTEX_A_RUNS]


def measure_locality(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Bytes missed in a model of the caches, streamed and layer by layer."""
    from edgemnv2.benchmark.locality import compare_chains

    return [
        {
            "network": network.removesuffix("-int8"),
            "dtype": "int8" if network.endswith("-int8") else "float32",
            **row.to_dict(),
        }
        for target, network, ways, threads in LOCALITY_RUNS
        for row in compare_chains(f"mobilenetv2-{network}", target, threads, ways, say)
    ]


def _compiled(
    network: str, target: str, say: Callable[[str], None], run: bool = True, io: str | None = None
) -> dict[str, Any]:
    """Compile, verify one random sample, count; a figure of wrong code is no figure."""
    from edgemnv2.check.verify import verify
    from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
    from edgemnv2.pipeline import CompileOptions, compile_model
    from edgemnv2.runners import runner_for
    from edgemnv2.samples.inputs import SampleChoice, random_set

    say(f"{network} on {target}")
    with tempfile.TemporaryDirectory() as folder:
        artifact = compile_model(
            f"mobilenetv2-{network}", target, Path(folder) / "net", CompileOptions(io=io)
        )
        manifest = artifact.manifest
        row: dict[str, Any] = {
            "network": network.removesuffix("-int8"),
            "dtype": "int8" if network.endswith("-int8") else "float32",
            "target": target,
            "arena_bytes": manifest.arena_bytes,
            "arena_lower_bound_bytes": manifest.arena_lower_bound_bytes,
            "stream_arena_bytes": manifest.stream_arena_bytes,
            "code_bytes": manifest.code_bytes,
            "macs": manifest.macs,
        }
        if not run:
            return row
        runner = runner_for(artifact)
        checked = verify(artifact, runner, SampleChoice(random=1))
        if not checked.passed:
            raise SystemExit(f"{network} on {target}: does not match the reference")
        graph = load_graph(artifact.path / REFERENCE_FOLDER)
        (sample,) = random_set(graph, 1, 0).each(0, 1)
        result = runner.run(artifact, [sample], repeat=1)
        row |= {
            "metric": result.metric,
            "value": result.values[0],
            "exact": checked.exact,
            "max_abs_error": checked.max_abs_error,
            "stack_bytes": result.stack_bytes,
        }
        return row


def _kib(size: int) -> str:
    return f"{size / 1024:.1f}"


def memory_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Arena sizes beside what others publish."""
    lines = [
        "| int8 network | image in the arena | bound | by rows | others, published |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        peers = MEMORY_PEERS.get(row["network"], {})
        others = "; ".join(f"{name} {kib:.0f} ({source})" for name, (kib, source) in peers.items())
        lines.append(
            f"| {row['network'].replace('-', '/')} | **{_kib(row['arena_bytes'])} KiB** "
            f"| {_kib(row['arena_lower_bound_bytes'])} | {_kib(row['stream_arena_bytes'])} KiB "
            f"| {others} |"
        )
    return lines


def _instruction_table(
    rows: Sequence[Mapping[str, Any]],
    peers: Mapping[tuple[str, str], Mapping[str, float]],
    key: Callable[[Mapping[str, Any]], tuple[str, str]],
) -> list[str]:
    lines = [
        "| network | target | ours, M instructions | peers | stack, code |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        others = ", ".join(f"{name} {value:g}" for name, value in peers.get(key(row), {}).items())
        stack = "" if row["stack_bytes"] is None else f"{row['stack_bytes']} B, "
        lines.append(
            f"| {row['network'].replace('-', '/')} {row['dtype']} | {row['target']} "
            f"| **{row['value'] / 1e6:.1f}** | {others} "
            f"| {stack}{_kib(row['code_bytes'])} KiB |"
        )
    return lines


def cortex_m_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """M4, M7, M55 beside CMSIS-NN and TinyEngine."""
    return _instruction_table(rows, CORTEX_M_PEERS, lambda r: (r["network"], r["target"]))


def cortex_a_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The Raspberry Pis beside ncnn, LiteRT and onnxruntime."""

    def key(row: Mapping[str, Any]) -> tuple[str, str]:
        suffix = "-int8" if row["dtype"] == "int8" else ""
        return row["target"], row["network"] + suffix

    return _instruction_table(rows, CORTEX_A_PEERS, key)


def locality_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a network, target and number of threads; the ways of cutting beside each other."""
    lines = [
        "| network | target, threads | streamed by blocks | layer by layer | longest chains |",
        "|---|---|---|---|---|",
    ]
    cells: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in rows:
        key = (row["network"], row["dtype"], row["target"], row["threads"])
        l1, l2 = row["l1_missed_bytes"]["all"], row["l2_missed_bytes"]["all"]
        cells.setdefault(key, {})[row["chains"]] = (
            f"{row['instructions'] / 1e6:.1f}, {l1 / 1e6:.0f} MB, {l2 / 1e6:.1f} MB, "
            f"{row['written_back_bytes'] / 1e6:.1f} MB"
        )
    for (network, dtype, target, threads), found in cells.items():
        lines.append(
            f"| {network.replace('-', '/')} {dtype} | {target}, {threads} "
            f"| **{found['blocks']}** | {found['layers']} | {found.get('memory', '')} |"
        )
    return lines


Measure = Callable[[Callable[[str], None]], list[dict[str, Any]]]
Table = Callable[[Sequence[Mapping[str, Any]]], list[str]]
RESULTS: Mapping[str, tuple[Measure, Table]] = {
    "memory": (measure_memory, memory_table),
    "task-memory": (measure_task_memory, task_memory_table),
    "task-seconds": (measure_task_seconds, task_seconds_table),
    "task-instructions": (measure_task_instructions, task_instructions_table),
    "cortex-m": (measure_cortex_m, cortex_m_table),
    "cortex-a": (measure_cortex_a, cortex_a_table),
    "cycles-m": (partial(measure_cycles, True), cycles_table),
    "cycles-a": (partial(measure_cycles, False), cycles_table),
    "flash": (measure_flash, flash_table),
    "ranks": (measure_ranks, ranks_table),
    "locality": (measure_locality, locality_table),
    "host": (measure_host, host_table),
    "quantization": (measure_quantization, quantization_table),
    "rounding": (measure_rounding, rounding_table),
    "steps": (measure_steps, steps_table),
    "two-cores": (measure_cores, core_table),
    "scalar": (measure_scalar, scalar_table),
    "web": (measure_web, web_table),
}
# Those that can time a given int8 network.
_TIMED = {"host": measure_host, "web": measure_web}


def _file(name: str) -> Path:
    return FOLDER / f"{name}.json"


def load(name: str) -> dict[str, Any]:
    """The committed result of that name."""
    content: dict[str, Any] = json.loads(_file(name).read_text(encoding="utf-8"))
    return content


def render(name: str) -> str:
    """The committed result as a Markdown table."""
    return "\n".join(RESULTS[name][1](load(name)["rows"])) + "\n"


def generated_sections() -> dict[str, Callable[[], str]]:
    """Everything in README and help that is made from code or data, by marker.

    A table that nobody has measured and committed yet has no section.
    """
    from edgemnv2.frontend.supported import supported_operators_markdown
    from edgemnv2.lab.targets_table import targets_markdown

    return {
        **{name: partial(render, name) for name in RESULTS if _file(name).is_file()},
        "operators": supported_operators_markdown,
        "targets": targets_markdown,
    }


def documents() -> list[Path]:
    """What has generated tables: the README of a checkout, and the pages of `edgemnv2 help`."""
    readme = PACKAGE.parent / "README.md"
    return [*([readme] if readme.is_file() else []), *sorted((PACKAGE / "help").glob("*.md"))]


def render_readme(text: str) -> str:
    """`text` with everything between `<!-- begin X -->` and `<!-- end X -->` made anew."""
    for name, make in generated_sections().items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        head, found, rest = text.partition(begin)
        if found:
            text = head + begin + make() + end + rest.partition(end)[2]
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one table, or render the README."""
    parser = argparse.ArgumentParser(prog="python -m edgemnv2.lab.results")
    parser.add_argument("what", choices=(*RESULTS, "readme"))
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        help="of readme: the only file to render; of host and web: an int8 .tflite to time; of "
        "quantization: the data; of rounding: the folder of files; of scalar: that of checkouts",
    )
    parser.add_argument(
        "--keep-peers",
        action="store_true",
        help="of cycles-a: other engines' figures are those of the last run",
    )
    args = parser.parse_args(arguments)
    if args.what == "readme":
        for page in documents() if args.file is None else [args.file]:
            text = render_readme(page.read_text(encoding="utf-8"))
            page.write_text(text, encoding="utf-8", newline="\n")
        return 0
    measure = RESULTS[args.what][0]
    if args.what in _TIMED and args.file is not None:
        measure = partial(_TIMED[args.what], int8_model=args.file)
    if args.what == "quantization":
        measure = partial(measure_quantization, data=args.file)
    if args.keep_peers:
        if args.what != "cycles-a":
            parser.error("--keep-peers: only cycles-a has peers that can be kept")
        measure = partial(measure_cycles, False, measured=load(args.what)["rows"])
    if args.what == "rounding":
        measure = partial(measure_rounding, folder=args.file)
    if args.what == "scalar":
        measure = partial(measure_scalar, folder=args.file)
    try:
        rows = measure(lambda text: print(text, file=sys.stderr, flush=True))
    except EdgeError as error:
        print(f"{args.what}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        remedy = 'pip install -e ".[test,peers]"'
        print(f"{args.what}: {error.name} is not installed ({remedy})", file=sys.stderr)
        return 1
    model = f" {args.file.name}" if args.file is not None else ""
    model += " --keep-peers" if args.keep_peers else ""
    content = {
        "command": f"python -m edgemnv2.lab.results {args.what}{model}",
        "edgemnv2": __version__,
        "python": platform.python_version(),
        "rows": rows,
    }
    FOLDER.mkdir(exist_ok=True)
    _file(args.what).write_text(
        json.dumps(content, indent=1) + "\n", encoding="utf-8", newline="\n"
    )
    print(render(args.what), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
