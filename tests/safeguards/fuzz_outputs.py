"""Small quantised networks kept as bytes, with inputs and the outputs that they must have.

`fuzz_outputs.npz` holds 200 TFLite networks that were made at random, five inputs for each, and
what LiteRT's BUILTIN_REF kernels answer. On the day they were recorded our NumPy reference gave the
same bits for all of them. They need no generator, no LiteRT and no compiler, so a fault that is
moved together with its reference is still seen.

    python -m tests.safeguards.fuzz_outputs --record     make the file anew (needs LiteRT and
                                                         ../shared/spikes/fuzz)
"""

from __future__ import annotations

import argparse
import importlib
import os
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

# All that is used of the package, which is being moved about.
from edgemnv2.errors import EdgeError
from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run
from edgemnv2.passes import lower
from edgemnv2.samples.images import to_nhwc, to_source

Array = NDArray[Any]

STORED = Path(__file__).with_name("fuzz_outputs.npz")
GENERATOR = Path(__file__).resolve().parents[3] / "shared" / "spikes" / "fuzz"
COUNT = 200
MODEL_BYTES_MAX = 24_000
"""Larger ones are nearly all weights of a fully connected layer."""

VERSION_SLOT = 8
"""Of the table OperatorCode: the offset of its field `version` in the vtable."""


@dataclass(frozen=True)
class Case:
    """A network as the bytes of a TFLite file, its inputs `[N, ...]` and its outputs `[N, ...]`."""

    name: str
    model: bytes
    inputs: Array
    outputs: Array


def stored_names(path: Path = STORED) -> list[str]:
    """The names of all stored networks."""
    with np.load(path, allow_pickle=False) as file:
        return sorted({key.split("/")[0] for key in file.files})


def stored_cases(path: Path = STORED) -> Iterator[Case]:
    """All stored networks, by name."""
    with np.load(path, allow_pickle=False) as file:
        for name in sorted({key.split("/")[0] for key in file.files}):
            model, inputs, outputs = (
                file[f"{name}/{part}"] for part in ("model", "inputs", "outputs")
            )
            yield Case(name, model.tobytes(), inputs, outputs)


def reference_outputs(model: bytes, inputs: Array) -> Array:
    """What the NumPy reference of the package gives, in the model file's own layout."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.tflite"
        path.write_bytes(model)
        graph = lower(load_model(path))
    # Inputs are `[N, 1, ...]` in the file's layout, whose own batch is one.
    batch = inputs.reshape(-1, *inputs.shape[2:])
    values = run(graph, to_nhwc(batch, graph.input_specs[0]))
    return to_source(values[graph.outputs[0]], graph.output_specs[0])


def litert_outputs(model: bytes, inputs: Array) -> Array | None:
    """What LiteRT's plain kernels give; None where it refuses the network."""
    litert = importlib.import_module("ai_edge_litert.interpreter")
    try:
        interpreter = litert.Interpreter(
            model_content=model,
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
        )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError):
        return None
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    outputs = []
    for x in inputs:
        interpreter.set_tensor(source["index"], x)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"]).copy())
    return np.stack(outputs)


def record(path: Path = STORED) -> None:
    """Store the first networks that are accepted today and agree with LiteRT bit for bit.

    Left out are those whose five outputs have fewer than four different values.
    """
    sys.path.insert(0, str(GENERATOR))
    make = importlib.import_module("gen").make
    arrays: dict[str, Array] = {}
    seed = -1
    while len(arrays) < 3 * COUNT:
        seed += 1
        model = with_known_versions(make(seed)[0])
        case = None if len(model) > MODEL_BYTES_MAX else agreed_case(f"{seed:04d}", model, seed)
        if case is not None and len(np.unique(case.outputs)) > 3:
            arrays[f"{case.name}/model"] = np.frombuffer(case.model, np.uint8)
            arrays[f"{case.name}/inputs"] = case.inputs
            arrays[f"{case.name}/outputs"] = case.outputs
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)
    print(f"{COUNT} of the first {seed + 1} networks, {path.stat().st_size} bytes")


def with_known_versions(model: bytes) -> bytes:
    """The generator's file with RESHAPE in version 1, the only one that LiteRT knows."""
    changed = bytearray(model)
    root = tflite.Model.GetRootAs(changed, 0)
    for index in range(root.OperatorCodesLength()):
        code = root.OperatorCodes(index)
        if code.BuiltinCode() == tflite.BuiltinOperator.RESHAPE:
            place = code._tab.Pos + code._tab.Offset(VERSION_SLOT)
            struct.pack_into("<i", changed, place, 1)
    return bytes(changed)


def agreed_case(name: str, model: bytes, seed: int) -> Case | None:
    """The network with seeded inputs, when LiteRT and our reference both take it and agree."""
    inputs = seeded_inputs(model, seed)
    outputs = None if inputs is None else litert_outputs(model, inputs)
    if inputs is None or outputs is None:
        return None
    try:
        ours = reference_outputs(model, inputs)
    except EdgeError:
        return None
    return Case(name, model, inputs, outputs) if is_same(ours, outputs) else None


def seeded_inputs(model: bytes, seed: int) -> Array | None:
    """Three random inputs, the lowest and the highest; None where LiteRT refuses the network."""
    litert = importlib.import_module("ai_edge_litert.interpreter")
    try:
        spec = litert.Interpreter(model_content=model).get_input_details()[0]
    except (RuntimeError, ValueError):
        return None
    low, high = np.iinfo(spec["dtype"]).min, np.iinfo(spec["dtype"]).max
    random = np.random.default_rng(seed)
    inputs = [random.integers(low, high + 1, spec["shape"]) for _ in range(3)]
    inputs += [np.full(spec["shape"], low), np.full(spec["shape"], high)]
    return np.stack(inputs).astype(spec["dtype"])


def is_same(ours: Array, stored: Array) -> bool:
    """Whether our outputs have the stored ones' type, shape and bits; the stored have a batch."""
    flat = stored.reshape(-1, *stored.shape[2:])
    return ours.dtype == flat.dtype and ours.shape == flat.shape and np.array_equal(ours, flat)


def main() -> None:
    """Record the file."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.safeguards.fuzz_outputs", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("--record", action="store_true", required=True)
    parser.parse_args()
    record()


if __name__ == "__main__":
    # As in the command line: one BLAS thread.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
