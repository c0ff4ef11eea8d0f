"""Which output of a detector is what: told by the operator, else by shapes in the usual order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.meaning.detections import detection_outputs, last_maker
from edgemnv2.meaning.infer import task_of
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.runtime.vision.decode import decode
from edgemnv2.task import Said
from tests.networks.detection_net import OPERATOR, detection_options
from tests.networks.field_check import litert_outputs
from tests.networks.field_net import FieldNet
from tests.networks.tflite_net import TfliteNet

ROLES = ("boxes", "classes", "scores", "count")
CLASSES, DETECTIONS, ANCHORS = 3, 5, 8
OPTIONS = {
    "num_classes": CLASSES,
    "max_detections": DETECTIONS,
    "max_classes_per_detection": 1,
    "nms_score_threshold": 0.1,
    "nms_iou_threshold": 0.5,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
}


def detector(folder: Path, order: tuple[int, ...] = (0, 1, 2, 3), **options: Any) -> Graph:
    """The operator on one image `[1, 8, 1, 8]`, its outputs in `order` and called by their role."""
    path = folder / "net.tflite"
    path.write_bytes(detector_file(order, **options))
    return lower(load_model(path))


def detector_file(order: tuple[int, ...] = (0, 1, 2, 3), **options: Any) -> bytes:
    """The TFLite file of `detector`."""
    data = detection_options(**{**OPTIONS, **options})
    net = FieldNet(0)
    x = net.input(1, ANCHORS, 1, 8)
    heads = [net.convolution(x, channels, activation=0) for channels in (4, CLASSES + 1)]
    net.give(*(net.reshaped(head, 1, ANCHORS, head.channels) for head in heads))

    def ends(file: TfliteNet, taken: list[int]) -> list[int]:
        corners = np.stack([np.arange(ANCHORS) / ANCHORS, np.full(ANCHORS, 0.5)], 1)
        sizes = np.full((ANCHORS, 2), 0.2)
        anchors = file.constant(np.concatenate([corners, sizes], 1).astype(np.float32))
        made = [file.tensor((), name=role) for role in ROLES]
        file.add(OPERATOR, [*taken, anchors], made, data=data)
        return [made[i] for i in order]

    return net.float_file(ends)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=lambda x: str(x))
def test_the_operator_tells_in_any_order(order: tuple[int, ...], tmp_path: Path) -> None:
    found = detection_outputs(detector(tmp_path, order))
    assert found is not None
    assert found.roles == {role: (role,) for role in ROLES}
    assert found.classes == CLASSES


@pytest.mark.parametrize(
    ("told", "options"),
    [
        ((1, 1), {}),
        ((2, 2), {"max_classes_per_detection": 2}),
        ((3, 3), {"max_classes_per_detection": 3}),
        # More than there are: LiteRT leaves a row of each box as it was.
        ((3, 4), {"max_classes_per_detection": 4}),
        # Each class for itself: a row is a box, as if one class of each were told.
        ((1, 1), {"max_classes_per_detection": 2, "use_regular_nms": True}),
    ],
)
def test_all_classes_of_a_box_are_read_from_litert_s_outputs(
    told: tuple[int, int],
    options: dict[str, Any],
    tmp_path: Path,
    require_module: Callable[[str], None],
) -> None:
    """LiteRT's count is of boxes, each with as many rows as its options say."""
    require_module("ai_edge_litert")
    task = task_of(detector(tmp_path, **options))
    assert task.classes_a_box == told
    records = [{"name": role, "scale": None} for role in ROLES]
    image = np.random.default_rng(5).normal(0, 2, (3, 1, ANCHORS, 1, 8)).astype(np.float32)
    seen = 0
    for outputs in litert_outputs(detector_file(**options), list(image)):
        named = dict(zip(ROLES, outputs, strict=True))
        boxes, classes, scores = (named[role][0] for role in ROLES[:3])
        for threshold in (0.0, 0.4):
            found = decode(task.to_dict(), records, named, threshold).detections
            rows = [
                (float(scores[row]), int(classes[row]), *boxes[row].tolist())
                for box in range(int(named["count"][0]))
                for row in range(box * told[1], box * told[1] + told[0])
                if scores[row] >= threshold
            ]
            rows.sort(key=lambda row: -row[0])
            assert rows == [(x.score, x.index, x.top, x.left, x.bottom, x.right) for x in found]
            seen += len(rows)
    assert seen > 8 * told[0]


def test_three_outputs_are_no_detections(tmp_path: Path) -> None:
    assert detection_outputs(detector(tmp_path, (0, 1, 2))) is None


def test_the_last_maker_is_not_one_that_passes_on(tmp_path: Path) -> None:
    graph = detector(tmp_path)
    makers = [last_maker(graph, name) for name in graph.outputs]
    assert [maker.op for maker in makers if maker is not None] == ["select"] * 4
    assert last_maker(graph, graph.inputs[0]) is None


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ((), ()),
        (("cat", "dog", "cow"), ("cat", "dog", "cow")),
        # TensorFlow's list of COCO begins so; the operator counts from the first class on.
        (("???", "cat", "dog", "cow"), ("cat", "dog", "cow")),
        (("background", "cat", "dog", "cow"), ("cat", "dog", "cow")),
        # Longer than the operator's classes, and no background: as they are.
        (("cat", "dog", "cow", "pig"), ("cat", "dog", "cow", "pig")),
    ],
)
def test_names_are_of_the_operator_s_classes(
    labels: tuple[str, ...], named: tuple[str, ...], tmp_path: Path
) -> None:
    found = task_of(
        detector(tmp_path), Said(labels=labels, labels_from="labels.txt" if labels else "")
    )
    assert found.labels == named
    assert found.classes == (len(named) or CLASSES)


@pytest.mark.parametrize("ending", ["int32", "int64"])
@pytest.mark.parametrize("cast", ["", "int32", "float32"])
def test_a_map_of_classes_stays_one_behind_a_cast(ending: str, cast: str, tmp_path: Path) -> None:
    net = FieldNet(0)
    x = net.convolution(net.input(1, 16, 16, 3), 5, activation=0)
    net.give(net.largest(x, ending))

    def ends(file: TfliteNet, taken: list[int]) -> list[int]:
        if not cast:
            return taken
        out = file.tensor((1, 16, 16), cast)
        file.add("CAST", taken, [out])
        return [out]

    path = tmp_path / "net.tflite"
    path.write_bytes(net.float_file(ends))
    found = task_of(lower(load_model(path)))
    assert (found.kind, found.classes) == ("segmenter", 5)
    assert list(found.roles) == ["mask"]
