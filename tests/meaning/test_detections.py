"""Which output of a detector is what: told by the operator, else by shapes in the usual order."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.meaning.detections import detection_outputs, last_maker
from edgemnv2.meaning.infer import task_of
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.task import Said
from tests.networks.detection_net import OPERATOR, detection_options
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


def detector(folder: Path, order: tuple[int, ...] = (0, 1, 2, 3)) -> Graph:
    """The operator on one image `[1, 8, 1, 8]`, its outputs in `order` and called by their role."""
    net = FieldNet(0)
    x = net.input(1, ANCHORS, 1, 8)
    heads = [net.convolution(x, channels, activation=0) for channels in (4, CLASSES + 1)]
    net.give(*(net.reshaped(head, 1, ANCHORS, head.channels) for head in heads))

    def ends(file: TfliteNet, taken: list[int]) -> list[int]:
        anchors = file.constant(np.full((ANCHORS, 4), 0.5, np.float32))
        made = [file.tensor((), name=role) for role in ROLES]
        file.add(OPERATOR, [*taken, anchors], made, data=detection_options(**OPTIONS))
        return [made[i] for i in order]

    path = folder / "net.tflite"
    path.write_bytes(net.float_file(ends))
    return lower(load_model(path))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=lambda x: str(x))
def test_the_operator_tells_in_any_order(order: tuple[int, ...], tmp_path: Path) -> None:
    found = detection_outputs(detector(tmp_path, order))
    assert found is not None
    assert found.roles == {role: (role,) for role in ROLES}
    assert found.classes == CLASSES


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
    found = task_of(detector(tmp_path), Said(labels=labels, labels_from="labels.txt"))
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
