"""Artefacts as graphs for Google's Model Explorer, and figures to colour its nodes by.

The form is that of `graph_builder.py` and `node_data_builder.py` in the PyPI package
`ai-edge-model-explorer`: a collection of graphs is one JSON file; what colours nodes ("node data")
is another one for each figure, loaded beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgemnv2.ops.graph import Graph, Tensor
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.report.canvas import kib
from edgemnv2.report.labels import labels
from edgemnv2.report.load import Subject, load
from edgemnv2.report.results import cost_words, layer_costs

__all__ = ["LIVE_BYTES", "explorer_files"]

LIVE_BYTES = "live_bytes"
"""The figure that every artefact has: most bytes that are live in the arena while a layer runs."""
COLOURS = ({"stop": 0, "bgColor": "#f6f7f9"}, {"stop": 1, "bgColor": "#e15759"})

Attributes = list[dict[str, str]]
Figures = dict[str, dict[str, float]]
"""By name ("live_bytes", "instructions", ...), then by layer."""


def explorer_files(
    artifacts: Sequence[Path], results: Sequence[Path] = (), stem: str = "model"
) -> dict[str, str]:
    """Names and contents of the files: `STEM.json`, and `STEM.FIGURE.json` for each figure.

    Raises as `load`, and ArtifactError for an artefact without its reference graph.
    """
    subjects, _ = load(artifacts, results)
    names = labels(subjects)
    graphs: list[dict[str, Any]] = []
    overlays: dict[str, dict[str, Any]] = {}
    for path, subject, name in zip(artifacts, subjects, names, strict=True):
        figures = _figures(subject)
        graphs.append(_graph(name, load_graph(path / REFERENCE_FOLDER), subject, figures))
        for figure, values in figures.items():
            overlays.setdefault(figure, {})[name] = {
                "name": figure,
                "results": {layer: {"value": value} for layer, value in values.items()},
                "gradient": list(COLOURS),
            }
    files = {f"{stem}.json": {"label": stem, "graphs": graphs}}
    files |= {f"{stem}.{figure}.json": content for figure, content in sorted(overlays.items())}
    return {name: json.dumps(content, indent=1) + "\n" for name, content in files.items()}


def _figures(subject: Subject) -> Figures:
    found: Figures = {}
    if subject.plan is not None:
        found[LIVE_BYTES] = _live_bytes(subject.plan)
    found |= layer_costs(subject)
    return found


def _live_bytes(plan: Mapping[str, Any]) -> dict[str, float]:
    """The most that is live in a step of each operation."""
    most: dict[str, float] = {}
    ops = plan.get("ops") or ()
    live = plan.get("live_bytes_per_step") or ()
    for (op, _), size in zip(plan.get("steps") or (), live, strict=False):
        if 0 <= op < len(ops):
            name = str(ops[op]["name"])
            most[name] = max(most.get(name, 0.0), float(size))
    return most


def _graph(name: str, graph: Graph, subject: Subject, figures: Figures) -> dict[str, Any]:
    """One graph: inputs, layers by block, outputs."""
    maker = {x: x for x in graph.inputs} | {layer.output: layer.name for layer in graph.layers}
    kernels = {
        layer: kernel
        for kernel in subject.manifest.kernels
        for layer in (*kernel.fuses, kernel.name)
    }
    nodes = [
        {
            "id": tensor,
            "label": "input",
            "attrs": [],
            "incomingEdges": [],
            "outputsMetadata": [_output(graph.tensors[tensor])],
        }
        for tensor in graph.inputs
    ]
    for layer in graph.layers:
        attributes: Attributes = [_attribute("multiply-accumulates", f"{graph.macs(layer):,}")]
        kernel = kernels.get(layer.name)
        if kernel is not None:
            attributes.append(_attribute("schedule", kernel.schedule))
            if kernel.name != layer.name:
                attributes.append(_attribute("fused into", kernel.name))
            attributes += [_attribute(key, str(x)) for key, x in kernel.decisions.items()]
        for figure, values in figures.items():
            if layer.name in values:
                value = values[layer.name]
                words = kib(value) if figure == LIVE_BYTES else cost_words(value, figure)
                attributes.append(_attribute(figure.replace("_", " "), words))
        nodes.append(
            {
                "id": layer.name,
                "label": layer.op,
                "namespace": layer.name.rpartition(".")[0].replace(".", "/"),
                "attrs": attributes,
                "incomingEdges": _edges([maker[x] for x in layer.inputs]),
                "outputsMetadata": [_output(graph.tensors[layer.output])],
            }
        )
    for index, tensor in enumerate(graph.outputs):
        nodes.append(
            {
                # No layer and no tensor has a space in its name.
                "id": f"output {index}",
                "label": "output",
                "attrs": [],
                "incomingEdges": _edges([maker[tensor]]),
                "outputsMetadata": [],
            }
        )
    return {"id": name, "nodes": nodes}


def _edges(sources: Sequence[str]) -> list[dict[str, str]]:
    return [
        {"sourceNodeId": source, "sourceNodeOutputId": "0", "targetNodeInputId": str(index)}
        for index, source in enumerate(sources)
    ]


def _output(tensor: Tensor) -> dict[str, Any]:
    shape = f"{tensor.dtype}[{tensor.height},{tensor.width},{tensor.channels}]"
    attributes = [_attribute("tensor_name", tensor.name), _attribute("tensor_shape", shape)]
    if tensor.quant is not None:
        scale = f"scale {tensor.quant.scale:.9g}, zero point {tensor.quant.zero_point}"
        attributes.append(_attribute("quantization", scale))
    return {"id": "0", "attrs": attributes}


def _attribute(key: str, value: str) -> dict[str, str]:
    return {"key": key, "value": value}
