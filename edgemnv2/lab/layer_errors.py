"""How often each quantised layer rounds otherwise than the framework that the file is for.

    python -m edgemnv2.lab.layer_errors FILE... [--samples N] [--seed S] [--all]

Every layer is computed from the framework's own inputs (onnxruntime without graph optimisation,
every tensor exposed). A line for each layer that differs (`--all`: for each), one for each file.
Exit status 1 where more than one value of 100,000 differs, or one by more than 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.check.frameworks import open_source
from edgemnv2.check.layers import LayerErrors, compare_layers
from edgemnv2.errors import EdgeError
from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.samples.images import to_source

__all__ = ["layer_errors", "main", "some_inputs"]

Array = NDArray[Any]

MOST_DIFFERENT = 1e-5
"""Of all values: what float32's own errors come to."""
MOST_STEPS = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m edgemnv2.lab.layer_errors")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--samples", type=int, default=1, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--all", action="store_true", help="layers without a difference, too")
    chosen = parser.parse_args(arguments)
    good = True
    for file in chosen.files:
        try:
            graph = lower(load_model(file))
            errors = layer_errors(graph, file, some_inputs(graph, chosen.samples, chosen.seed))
        except EdgeError as error:
            print(f"{file.name}: {error}")
            good = False
            continue
        good &= _report(file.name, errors, chosen.all)
    return 0 if good else 1


def layer_errors(graph: Graph, file: Path, batch: Array) -> tuple[LayerErrors, ...]:
    """Every layer whose output the file names, for the samples `batch` `[N, H, W, C]`."""
    found: dict[str, LayerErrors] = {}
    (spec,), judge = graph.input_specs, open_source(file)
    for index in range(len(batch)):
        sample = batch[index : index + 1]
        theirs = judge({spec.name: to_source(sample, spec)})
        compare_layers(graph, {spec.name: sample}, theirs, found)
    return tuple(found.values())


def some_inputs(graph: Graph, count: int, seed: int) -> Array:
    """Seeded inputs in the graph's own type; floats like normalised images."""
    tensor = graph.tensors[graph.inputs[0]]
    random = np.random.default_rng(seed)
    shape = (count, *tensor.shape)
    if tensor.dtype == "float32":
        return random.standard_normal(shape).astype(np.float32)
    limits = np.iinfo(tensor.dtype)
    return random.integers(limits.min, limits.max, shape, tensor.dtype, endpoint=True)


def _report(name: str, errors: Sequence[LayerErrors], everything: bool) -> bool:
    """Print a file's table; whether it is as good as it must be. Floats are shown, not judged."""
    integer = [x for x in errors if x.integer]
    for x in errors:
        if everything or (x.different and x.integer):
            unit = "steps" if x.integer else "of the largest value"
            print(
                f"  {x.layer:24} {x.op:12} {x.different:8} of {x.values:9} differ, "
                f"by {x.largest:g} {unit} at most"
            )
    values = sum(x.values for x in integer)
    different = sum(x.different for x in integer)
    largest = max((x.largest for x in integer), default=0.0)
    good = different <= MOST_DIFFERENT * values and largest <= MOST_STEPS
    print(
        f"{name}: {len(integer)} integer layers, {different} of {values} values differ, by "
        f"{largest:g} at most: {'good' if good else 'too many'}"
    )
    return good


if __name__ == "__main__":
    sys.exit(main())
