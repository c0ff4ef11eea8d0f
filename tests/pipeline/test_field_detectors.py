"""Detectors as TensorFlow's object detection API writes them: LiteRT's boxes, classes, scores.

Their weights are seeded, their files written here (`tests/networks/ssd_net.py`), so that every kind
that the field has is seen, not only those of `../shared/data`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.meaning.infer import task_of
from edgemnv2.ops.execute import by_source, run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_graph
from edgemnv2.runners import runner_for
from edgemnv2.runtime.vision.decode import Detection, decode
from edgemnv2.target import load_target
from tests.networks.compiled import PLACES
from tests.networks.field_check import PICTURES, assert_litert, litert_outputs, pictures, stored
from tests.networks.field_net import FieldNet
from tests.networks.ssd_net import ORDERS, fpn_heads, ssd_file, ssd_heads


@dataclass(frozen=True)
class Kind:
    """One kind of detector; `heads` are arguments of its heads, `file` of its file."""

    dtype: str
    pyramid: bool = False
    size: int = 96
    classes: int = 3
    heads: dict[str, Any] = field(default_factory=dict)
    file: dict[str, Any] = field(default_factory=dict)
    seed: int = 1


REGULAR = {"use_regular_nms": True}
EVERY_ANCHOR = {"nms_score_threshold": 1e-8, "max_detections": 100}
"""As the API's own configurations have it."""
KINDS = {
    "float": Kind("float32"),
    "uint8": Kind("uint8"),
    "int8": Kind("int8", file={"order": "tensorflow 2"}),
    "float of COCO's classes": Kind("float32", classes=90, file=EVERY_ANCHOR),
    "uint8 of COCO's classes": Kind("uint8", classes=90, file=EVERY_ANCHOR),
    "one class": Kind("uint8", classes=1, file=REGULAR),
    "float, regular": Kind("float32", file=REGULAR),
    "uint8, regular": Kind("uint8", file={**REGULAR, **EVERY_ANCHOR}),
    "int8, regular, few of a class": Kind("int8", file={**REGULAR, "detections_per_class": 2}),
    "more detections than anchors": Kind("uint8", file={"max_detections": 500}),
    "more than anchors, regular": Kind("float32", file={**REGULAR, "max_detections": 500}),
    "nothing found": Kind("uint8", file={"nms_score_threshold": 0.999}),
    "nothing found, regular": Kind("float32", file={**REGULAR, "nms_score_threshold": 0.999}),
    "no background reshaped": Kind("float32", heads={"reshape": "RESHAPE"}),
    "float16": Kind("float32", file={"half": True, "order": "tensorflow 2"}),
    "pyramid": Kind("float32", pyramid=True, size=128, file={"order": "tensorflow 2"}),
    "pyramid uint8": Kind("uint8", pyramid=True, size=128),
    "pyramid int8": Kind(
        "int8", pyramid=True, size=128, file={"order": "tensorflow 2", "bytes_in": True}
    ),
    "pyramid by resizing": Kind("int8", pyramid=True, size=128, heads={"nearest": "RESIZE"}),
    "other scales": Kind(
        "float32", file={"y_scale": 4.0, "x_scale": 3.0, "h_scale": 6.0, "w_scale": 7.0}
    ),
}
LARGE = {
    "300": Kind("uint8", size=300, classes=90, file=EVERY_ANCHOR),
    "300 float": Kind("float32", size=300, classes=90, file={**REGULAR, **EVERY_ANCHOR}),
    "320 pyramid": Kind("int8", pyramid=True, size=320, classes=90, file=EVERY_ANCHOR),
    "640 pyramid": Kind("float32", pyramid=True, size=640, classes=90),
}
FEW = 2
"""Pictures of large ones, and of what is compiled."""


@cache
def made(kind: str) -> bytes:
    one = {**KINDS, **LARGE}[kind]
    net = FieldNet(one.seed)
    build = fpn_heads if one.pyramid else ssd_heads
    heads = build(net, one.size, one.classes, **one.heads)
    return ssd_file(net, heads, one.dtype, pictures(one.size, count=4), **one.file)


def read(kind: str, folder: Path) -> Graph:
    path = folder / "detector.tflite"
    path.write_bytes(made(kind))
    return lower(load_model(path))


def samples(kind: str, graph: Graph, count: int) -> list[Any]:
    spec, size = graph.input_specs[0], {**KINDS, **LARGE}[kind].size
    return [stored(x, spec) for x in pictures(size)[:: PICTURES // count][:count]]


def places(kind: str) -> tuple[int, ...]:
    """Boxes, classes, scores, count: 0 to 3 in the file's order of outputs."""
    return ORDERS[{**KINDS, **LARGE}[kind].file.get("order", "tensorflow 1")]


def assert_detections(
    kind: str, graph: Graph, found: Mapping[str, Any], theirs: Sequence[Any]
) -> None:
    """Those that are counted are LiteRT's. Behind them it leaves what lay there, we zeros."""
    order = places(kind)
    count = int(theirs[order.index(3)][0])
    cut, known = {}, []
    for spec, wanted, part in zip(graph.output_specs, theirs, order, strict=True):
        whole = found[spec.name].reshape(wanted.shape)
        cut[spec.name] = whole if part == 3 else whole[:, :count]
        known.append(wanted if part == 3 else wanted[:, :count])
        assert part == 3 or not whole[:, count:].any()
    assert_litert(cut, graph.output_specs, known)


def compare(kind: str, folder: Path, count: int) -> None:
    graph = read(kind, folder)
    given = samples(kind, graph, count)
    for x, theirs in zip(given, litert_outputs(made(kind), given), strict=True):
        assert_detections(kind, graph, by_source(graph, run(graph, x, keep=False)), theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_gives_litert_s_detections(
    kind: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    compare(kind, tmp_path, PICTURES)


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize("kind", LARGE)
def test_large_ones_too(kind: str, tmp_path: Path, require_module: Callable[[str], None]) -> None:
    require_module("ai_edge_litert")
    compare(kind, tmp_path, FEW)


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("float", marks=pytest.mark.slow),
        pytest.param("uint8, regular", marks=pytest.mark.slow(ci=True)),
        pytest.param("pyramid int8", marks=pytest.mark.slow),
    ],
)
def test_artefacts_give_litert_s_detections(
    kind: str,
    target: str,
    tmp_path: Path,
    require_runner: Callable[[str], None],
    require_module: Callable[[str], None],
) -> None:
    require_module("ai_edge_litert")
    require_runner(target)
    graph = read(kind, tmp_path)
    if target.startswith("mps") and not graph.is_integer:
        pytest.skip("microcontrollers run int8 networks")
    given = samples(kind, graph, FEW)
    artifact = compile_graph(graph, load_target(target), tmp_path / "net")
    found = runner_for(artifact).run(artifact, given).results
    for ours, theirs in zip(found, litert_outputs(made(kind), given), strict=True):
        assert_detections(kind, graph, ours, theirs)


@pytest.mark.parametrize("kind", ["float", "int8", "pyramid int8", "uint8, regular"])
def test_what_each_output_is_follows_from_the_operator(
    kind: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    """In whatever order the file has them; so they are decoded to LiteRT's detections."""
    require_module("ai_edge_litert")
    one = KINDS[kind]
    graph = read(kind, tmp_path)
    task = task_of(graph)
    assert (task.kind, task.classes) == ("detector", one.classes)
    given = samples(kind, graph, FEW)
    records = [{"name": x.name, "scale": None} for x in graph.output_specs]
    for x, theirs in zip(given, litert_outputs(made(kind), given), strict=True):
        boxes, classes, scores, count = (theirs[places(kind).index(i)] for i in range(4))
        wanted = [
            Detection(*map(float, boxes[0, i]), int(classes[0, i]), float(scores[0, i]))
            for i in range(min(int(count[0]), 64))
        ]
        found = decode(task.to_dict(), records, by_source(graph, run(graph, x, keep=False)), 0.0)
        assert len(found.detections) == len(wanted) > 0
        for ours, right in zip(found.detections, wanted, strict=True):
            assert ours.index == right.index
            np.testing.assert_allclose(
                [ours.top, ours.left, ours.bottom, ours.right, ours.score],
                [right.top, right.left, right.bottom, right.right, right.score],
                atol=1e-5,
            )


def test_the_kinds_find_something_and_nothing(
    tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    """Counts between none and all, classes of many kinds: else the comparison says little."""
    require_module("ai_edge_litert")
    counts = set()
    for kind in ("uint8", "nothing found", "uint8 of COCO's classes"):
        graph = read(kind, tmp_path)
        theirs = litert_outputs(made(kind), samples(kind, graph, FEW))
        counts |= {int(x[3][0]) for x in theirs}
        classes = {int(i) for x in theirs for i in x[1].ravel()}
        assert len(classes) > 1 or kind == "nothing found"
    assert 0 in counts and max(counts) == 100
