"""ONNX's quantised files rounded as TFLite rounds, and as the standard says: errors, instructions.

Every layer is computed from onnxruntime's own inputs (without graph optimisation, every tensor
exposed), and compared with onnxruntime's output: once with the two roundings of TFLite's
arithmetic in place of every factor, which is how such files were read before, and once as they
are read now. Both networks are compiled, verified against their own reference, and counted. Sums
and concatenations, which were another arithmetic altogether, are left as they are now.

The files are all that lie in the folder and are integer networks of ONNX, and torchvision's network
as onnxruntime quantises it, per channel and per tensor, where the data has it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.errors import EdgeError, UsageError
from edgemnv2.frontend import load_model
from edgemnv2.lab.layer_errors import layer_errors, some_inputs
from edgemnv2.lab.quantization_results import DATA, EVERY, IMAGES, MODEL, PRESET, peer_file
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.passes import lower

__all__ = ["measure_rounding", "rounded_twice", "rounding_table"]

Array = NDArray[Any]
CASES = Path("../shared/cases/recipes")
TARGETS = ("mps2-an386", "mps3-an547")
"""A Cortex-M4 and a Cortex-M55."""
SAMPLES = 3
LEAST_MULTIPLIER = 1 << 30
"""Of TFLite's factors."""


def measure_rounding(
    say: Callable[[str], None], folder: Path | None = None
) -> list[dict[str, Any]]:
    """A row for each file of `folder`, and for torchvision's."""
    if not any((folder or CASES).glob("*.onnx")):
        raise UsageError(f"{folder or CASES}: expected a folder with .onnx files")
    with tempfile.TemporaryDirectory() as made:
        return [
            _row(path, graph, batch, say)
            for path, graph, batch in _files(folder or CASES, Path(made))
        ]


def _files(folder: Path, made: Path) -> Iterator[tuple[Path, Graph, Array]]:
    """Files, their networks, and samples."""
    for path in sorted(folder.glob("*.onnx")):
        try:
            graph = lower(load_model(path))
        except EdgeError:
            continue  # refused by name elsewhere: nothing is rounded
        if _factors(graph) and len(graph.inputs) == 1:
            yield path, graph, some_inputs(graph, SAMPLES, 0)
    if not (DATA / MODEL).is_file():
        return
    from edgemnv2.samples.images import load_images

    real = lower(load_model(DATA / MODEL))
    photographs = load_images(DATA / IMAGES, real.tensors[real.inputs[0]], PRESET).x
    for weights in ("channel", "layer"):
        path = made / f"torchvision per {weights}.onnx"
        path.write_bytes(peer_file(DATA / MODEL, real, photographs[::EVERY], weights == "channel"))
        yield path, lower(load_model(path)), photographs[1 : 1 + SAMPLES]


def _row(path: Path, graph: Graph, batch: Array, say: Callable[[str], None]) -> dict[str, Any]:
    row: dict[str, Any] = {"file": path.stem, "samples": len(batch), "factors": _factors(graph)}
    networks = {"before": rounded_twice(graph), "after": graph}
    for when, network in networks.items():
        say(f"{path.stem}, {when}")
        errors = [x for x in layer_errors(network, path, batch) if x.integer]
        row |= {"layers": len(errors), "values": sum(x.values for x in errors)}
        row[when] = {
            "different": sum(x.different for x in errors),
            "largest": max(x.largest for x in errors),
            "instructions": {target: _instructions(network, target) for target in TARGETS},
        }
    return row


def _instructions(graph: Graph, target: str) -> float | str:
    """Of an inference, exact; in words why there is none. A figure of wrong code is no figure."""
    from edgemnv2.check.verify import verify
    from edgemnv2.pipeline import compile_graph
    from edgemnv2.runners import runner_for
    from edgemnv2.samples.inputs import SampleChoice, random_set
    from edgemnv2.target import load_target

    with tempfile.TemporaryDirectory() as folder:
        try:
            artifact = compile_graph(graph, load_target(target), Path(folder) / "net")
        except EdgeError as error:
            return type(error).__name__
        runner = runner_for(artifact)
        if not verify(artifact, runner, SampleChoice(random=1)).passed:
            raise SystemExit(f"{graph.name} on {target}: does not match the reference")
        (sample,) = random_set(graph, 1, 0).each(0, 1)
        return float(runner.run(artifact, [sample], repeat=1).values[0])


def rounded_twice(graph: Graph) -> Graph:
    """The network with TFLite's two roundings wherever a factor rounds once, halves to even."""
    layers = tuple(
        replace(layer, requantize=_twice(layer.requantize))  # type: ignore[call-arg, attr-defined]
        if _is_even(layer)
        else layer
        for layer in graph.layers
    )
    return replace(graph, layers=layers)


def _factors(graph: Graph) -> int:
    return sum(map(_is_even, graph.layers))


def _is_even(layer: Layer) -> bool:
    factor = vars(layer).get("requantize")
    return isinstance(factor, Requantize) and factor.rounding == "even"


def _twice(factor: Requantize) -> Requantize:
    """The same factors with multipliers from 2**30 on, as TFLite has them."""
    multiplier, shift = factor.multiplier.astype(np.int64), factor.shift.copy()
    low = (multiplier > 0) & (multiplier < LEAST_MULTIPLIER)
    while low.any():
        multiplier[low] *= 2
        shift[low] -= 1
        low = (multiplier > 0) & (multiplier < LEAST_MULTIPLIER)
    return Requantize(multiplier.astype(np.int32), shift, "twice")


def rounding_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line a file: values that differ from onnxruntime's, and instructions, before and after."""
    targets = list(rows[0]["after"]["instructions"])
    lines = [
        "| file | layers | values | differ, two roundings | differ, one | "
        + " | ".join(f"{target}, M instructions: two, one" for target in targets)
        + " |",
        "|---|---|---|---|---|" + "---|" * len(targets),
    ]
    for row in rows:
        cells = [str(row["layers"]), str(row["values"])]
        cells += [
            f"{row[when]['different']}, by {row[when]['largest']:g}" for when in ("before", "after")
        ]
        for target in targets:
            cells.append(
                ", ".join(_millions(row[x]["instructions"][target]) for x in ("before", "after"))
            )
        lines.append(f"| {row['file']} | {' | '.join(cells)} |")
    return lines


def _millions(count: float | str) -> str:
    return count if isinstance(count, str) else f"{count / 1e6:.2f}"
