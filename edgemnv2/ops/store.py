"""A graph as two files, so that an artefact carries what it is verified against.

`graph.json` has the structure, `graph.npz` the arrays, named by layer and field; `source.json` says
what the file that the graph came from calls its tensors. All are byte-identical for equal graphs.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.errors import ArtifactError
from edgemnv2.model import Note, QuantParams, TensorSpec
from edgemnv2.npz import read_npz, write_npz
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.table import layer_type
from edgemnv2.ops.validate import validate
from edgemnv2.task import said_from

__all__ = ["KEPT_FOLDER", "REFERENCE_FOLDER", "load_graph", "save_graph"]

REFERENCE_FOLDER = "reference"
"""Of an artefact."""
KEPT_FOLDER = f"{REFERENCE_FOLDER}/source"
"""Where an artefact keeps the file that it was compiled from, if it does."""
STRUCTURE, ARRAYS, SOURCE = "graph.json", "graph.npz", "source.json"
# Of JSON that says something else than `save_graph` does, with whatever types.
Made = TypeVar("Made", Layer, QuantParams, Tensor, TensorSpec)
_SYMPTOMS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
PLAIN: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "float": (int, float),
    "int": (int,),
    "str": (str,),
}
"""What a field declared so may hold."""
MOST_LETTERS = 200
"""Of what a parser says: it may quote the file."""
TFLITE_ROUNDING: dict[Any, Any] = {"twice": False, "once": True}


def save_graph(graph: Graph, folder: Path) -> None:
    """Write `graph.json`, `graph.npz` and `source.json` into `folder`."""
    arrays: dict[str, Any] = {}

    def encode(value: Any, place: str) -> Any:
        if isinstance(value, np.ndarray):
            arrays[place] = value
            return {"array": place}
        if isinstance(value, Requantize):
            return {
                "requantize": [
                    encode(value.multiplier, place + ".multiplier"),
                    encode(value.shift, place + ".shift"),
                    # TFLite's two ways are the ones there were when the form was made.
                    TFLITE_ROUNDING.get(value.rounding, value.rounding),
                    *([] if value.addend is None else [encode(value.addend, place + ".addend")]),
                ]
            }
        if isinstance(value, tuple):
            return {"tuple": [encode(item, f"{place}.{i}") for i, item in enumerate(value)]}
        return value

    structure = {
        "name": graph.name,
        "source": graph.source,
        "sha256": graph.sha256,
        "inputs": list(graph.inputs),
        "outputs": list(graph.outputs),
        "input_specs": [dataclasses.asdict(spec) for spec in graph.input_specs],
        "output_specs": [dataclasses.asdict(spec) for spec in graph.output_specs],
        "tensors": [dataclasses.asdict(tensor) for tensor in graph.tensors.values()],
        "layers": [
            {
                "type": type(layer).__name__,
                **{
                    field.name: encode(getattr(layer, field.name), f"{layer.name}.{field.name}")
                    for field in dataclasses.fields(layer)
                    if not field.metadata.get("added")
                    or getattr(layer, field.name) != field.default
                },
            }
            for layer in graph.layers
        ],
    }
    (folder / STRUCTURE).write_text(
        json.dumps(structure, indent=1) + "\n", encoding="utf-8", newline="\n"
    )
    with (folder / ARRAYS).open("wb") as file:
        write_npz(file, arrays)
    source = {
        "file": graph.source,
        "sha256": graph.sha256,
        "format": graph.format,
        "origins": dict(sorted(graph.origins.items())),
        "notes": [dataclasses.asdict(note) for note in graph.notes],
    }
    if graph.orders:
        source["orders"] = {name: list(order) for name, order in sorted(graph.orders.items())}
    if said := graph.said.to_dict():
        source["said"] = said
    (folder / SOURCE).write_text(
        json.dumps(source, indent=1) + "\n", encoding="utf-8", newline="\n"
    )


def load_graph(folder: Path) -> Graph:
    """The graph that `save_graph` wrote; ArtifactError if it cannot be read."""
    try:
        structure = json.loads((folder / STRUCTURE).read_text(encoding="utf-8"))
        graph = validate(_decode(structure, read_npz(folder / ARRAYS)))
        # Artefacts of earlier versions have none.
        if not (folder / SOURCE).is_file():
            return graph
        source = json.loads((folder / SOURCE).read_text(encoding="utf-8"))
        return dataclasses.replace(
            graph,
            origins=dict(source["origins"]),
            orders={name: tuple(order) for name, order in source.get("orders", {}).items()},
            format=str(source["format"]),
            notes=tuple(Note(**note) for note in source["notes"]),
            said=said_from(source.get("said", {})),
        )
    except _SYMPTOMS as error:
        reason = str(error) if isinstance(error, OSError | ValueError) else type(error).__name__
        reason = reason.splitlines()[0][:MOST_LETTERS] if reason else type(error).__name__
        raise ArtifactError(
            f"{folder}: the reference graph cannot be read ({reason}); compile the model again"
        ) from error


def _decode(structure: Mapping[str, Any], arrays: Mapping[str, Any]) -> Graph:
    def decode(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "array" in value:
            return arrays[value["array"]]
        if "requantize" in value:
            multiplier, shift, rounding, *addend = map(decode, value["requantize"])
            rounding = {v: k for k, v in TFLITE_ROUNDING.items()}.get(rounding, rounding)
            return Requantize(multiplier, shift, rounding, *addend)
        return tuple(decode(item) for item in value["tuple"])

    def layer(entry: Mapping[str, Any]) -> Layer:
        fields = {key: decode(value) for key, value in entry.items() if key != "type"}
        return _checked(layer_type(entry["type"])(**fields))

    for entry in (*structure["tensors"], *structure["input_specs"], *structure["output_specs"]):
        np.dtype(entry["dtype"])
    tensors = [
        _checked(Tensor(**{**entry, "quant": _quant(entry["quant"])}))
        for entry in structure["tensors"]
    ]
    return Graph(
        name=structure["name"],
        tensors={tensor.name: tensor for tensor in tensors},
        layers=tuple(layer(entry) for entry in structure["layers"]),
        inputs=tuple(structure["inputs"]),
        outputs=tuple(structure["outputs"]),
        input_specs=tuple(_spec(entry) for entry in structure["input_specs"]),
        output_specs=tuple(_spec(entry) for entry in structure["output_specs"]),
        source=structure["source"],
        sha256=structure["sha256"],
    )


def _quant(entry: Mapping[str, Any] | None) -> QuantParams | None:
    return None if entry is None else _checked(QuantParams(**entry))


def _spec(entry: Mapping[str, Any]) -> TensorSpec:
    made = {**entry, "shape": tuple(entry["shape"]), "quant": _quant(entry["quant"])}
    return _checked(TensorSpec(**made))


def _checked(made: Made) -> Made:
    """`made`, whose plain fields are of the types that they are declared with; else ValueError."""
    for field in dataclasses.fields(made):
        value = getattr(made, field.name)
        declared = str(field.type)
        if declared.startswith("tuple[") and isinstance(value, tuple):
            first = declared.removeprefix("tuple[").split(",")[0].rstrip("]")
            parts = [(first, part) for part in value]
        else:
            parts = [(declared, value)]
        for kind, each in parts:
            # A truth value is a whole number to Python.
            truth = isinstance(each, bool)
            if kind in PLAIN and (truth != (kind == "bool") or not isinstance(each, PLAIN[kind])):
                raise ValueError(f"{field.name} is {each!r} (must be {kind})")
    return made
