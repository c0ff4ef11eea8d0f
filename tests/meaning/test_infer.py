"""The task that follows from a network's outputs, from its file and from the user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.errors import InputError, UsageError
from edgemnv2.meaning.anchors import ssd_anchors
from edgemnv2.meaning.infer import (
    labels_left_out,
    relabelled,
    said_by_file,
    said_in_metadata,
    task_of,
)
from edgemnv2.meaning.told import said
from edgemnv2.pipeline import lower_source
from edgemnv2.task import Said, Task
from tests.meaning import forms

MAPS = {"maps": [[4, 4, [[0.3, 0.2]] * 3], [2, 2, [[0.5, 0.4]] * 6]], "scales": [1, 1, 1, 1]}


def task(path: Path, user: Said | None = None) -> Task:
    return task_of(lower_source(path), user)


@pytest.mark.parametrize(
    ("ending", "scores"),
    [("Softmax", "probabilities"), ("Sigmoid", "probabilities"), ("", "softmax")],
)
def test_a_vector_of_scores_is_a_classifier(ending: str, scores: str, tmp_path: Path) -> None:
    found = task(forms.classifier(tmp_path, ending))
    assert (found.kind, found.scores, found.classes) == ("classifier", scores, 4)
    assert found.roles == {"scores": ("out",)}
    assert found.fit == "crop"


@pytest.mark.parametrize("normalised", [False, True])
def test_features_are_an_embedding(normalised: bool, tmp_path: Path) -> None:
    found = task(forms.embedding(tmp_path, normalised))
    assert (found.kind, found.classes, found.fit) == ("embedding", 8, "crop")


def test_a_vector_of_scores_is_an_embedding_where_the_user_says_so(tmp_path: Path) -> None:
    path = forms.classifier(tmp_path, "")
    assert task(path, said(task="embedding")).kind == "embedding"


def test_a_softmax_over_a_coarse_map_is_a_grid(tmp_path: Path) -> None:
    found = task(forms.grid(tmp_path))
    assert (found.kind, found.classes, found.background) == ("grid", 3, True)
    assert found.fit == "letterbox"


@pytest.mark.parametrize("arg_max", [False, True])
def test_a_class_for_each_pixel_is_a_segmenter(arg_max: bool, tmp_path: Path) -> None:
    found = task(forms.segmenter(tmp_path, arg_max))
    assert (found.kind, found.classes) == ("segmenter", 5)
    assert found.roles == {"mask" if arg_max else "scores": ("out",)}


@pytest.mark.parametrize("squeezed", [False, True])
@pytest.mark.parametrize("ending", ["Sigmoid", "HardSigmoid", "Resize"])
def test_a_sigmoid_of_one_channel_is_a_segmenter_of_two_classes(
    ending: str, squeezed: bool, tmp_path: Path
) -> None:
    found = task(forms.one_map(tmp_path, ending, squeezed=squeezed))
    assert (found.kind, found.classes, found.scores) == ("segmenter", 2, "probabilities")
    assert found.roles == {"foreground": ("out",)}
    assert found.labels == ("background", "foreground")
    assert (found.fit, found.threshold) == ("letterbox", 0.5)


def test_a_map_of_one_channel_without_a_sigmoid_is_a_segmenter_where_somebody_says_so(
    tmp_path: Path,
) -> None:
    path = forms.one_map(tmp_path, "")
    found = task(path)
    assert (found.kind, found.roles) == ("unknown", {})
    assert "task=segmenter" in found.told_by
    found = task(path, said(task="segmenter"))
    assert (found.kind, found.scores) == ("segmenter", "sigmoid")
    for names in (("road",), ("ground", "road"), ("a", "b", "c")):
        (tmp_path / "labels.txt").write_text("\n".join(names))
        found = task(path)
        assert found.kind == ("segmenter" if len(names) < 3 else "unknown")
        if len(names) < 3:
            assert found.labels == (names if len(names) == 2 else ("background", "road"))


def test_one_number_behind_a_sigmoid_is_a_classifier_of_two(tmp_path: Path) -> None:
    found = task(forms.two_classes(tmp_path))
    assert (found.kind, found.classes, found.scores) == ("classifier", 2, "probabilities")
    assert (found.roles, found.labels, found.fit) == ({"foreground": ("out",)}, (), "crop")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert task(forms.two_classes(tmp_path)).labels == ("cat", "dog")


def test_one_number_without_a_sigmoid_is_a_classifier_where_somebody_says_so(
    tmp_path: Path,
) -> None:
    path = forms.two_classes(tmp_path, "")
    found = task(path)
    assert found.kind == "unknown" and "task=classifier" in found.told_by
    assert task(path, said(task="classifier")).scores == "sigmoid"
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert task(path).labels == ("cat", "dog")


@pytest.mark.parametrize(
    ("kind", "scores", "threshold", "least"),
    [
        ("segmenter", "probabilities", 0.3, 0.3),
        ("segmenter", "sigmoid", 0.5, 0.0),
        ("segmenter", "sigmoid", 0.75, 1.0986123),
        ("segmenter", "sigmoid", 0.0, -np.inf),
        ("segmenter", "sigmoid", 1.0, np.inf),
        ("classifier", "probabilities", 0.0, 0.5),
        ("classifier", "sigmoid", 0.0, 0.0),
    ],
)
def test_from_where_on_one_number_means_the_second_class(
    kind: str, scores: str, threshold: float, least: float
) -> None:
    roles = {"foreground": ("out",)}
    assert Task(kind, "", roles, 2, scores, threshold=threshold).least == pytest.approx(least)
    assert Task(kind, "", {"scores": ("out",)}, 2, scores).least is None


def test_what_the_user_calls_unknown_is_unknown(tmp_path: Path) -> None:
    found = task(forms.one_map(tmp_path), said(task="unknown"))
    assert (found.kind, found.told_by) == ("unknown", "told so")


def test_raw_heads_without_anchors_are_not_known(tmp_path: Path) -> None:
    """The maps of TensorFlow's SSDLite at 32 are 2 x 2 and 1 x 1, which are fewer boxes."""
    found = task(forms.raw_heads(tmp_path))
    assert found.kind == "unknown"
    assert "without their anchors" in found.told_by


def test_raw_heads_with_anchors_that_the_user_gives(tmp_path: Path) -> None:
    path = forms.raw_heads(tmp_path)
    np.save(tmp_path / "anchors.npy", np.array(ssd_anchors([(4, 4), (2, 2)])))
    found = task(path, said(anchors=tmp_path / "anchors.npy"))
    assert (found.kind, len(found.anchors), found.classes) == ("detector", 72, 4)
    assert found.roles == {"scores": ("scores",), "boxes": ("boxes",)}
    assert (found.scores, found.scales) == ("sigmoid", (10.0, 10.0, 5.0, 5.0))
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    found = task(path, said(anchors=tmp_path / "anchors.npy", labels=tmp_path / "labels.txt"))
    # One label fewer than scores: the first is of nothing.
    assert (found.background, found.scores) == (True, "softmax")
    assert found.labels == ("background", "a", "b", "c")


def test_anchors_of_another_number_are_refused(tmp_path: Path) -> None:
    path = forms.raw_heads(tmp_path)
    np.save(tmp_path / "anchors.npy", np.array(ssd_anchors([(4, 4)])))
    with pytest.raises(UsageError, match="boxes for 72"):
        task(path, said(anchors=tmp_path / "anchors.npy"))


def test_maps_of_heads_with_anchors_in_the_files_metadata(tmp_path: Path) -> None:
    meaning: Any = {"anchors": MAPS, "labels": list("vwxyz"), "preprocess": "keras"}
    found = task(forms.map_heads(tmp_path, meaning))
    assert (found.kind, found.classes, len(found.anchors)) == ("detector", 5, 72)
    assert found.roles["scores"] == ("scores0", "scores1")
    assert found.roles["boxes"] == ("boxes0", "boxes1")
    assert found.labels == tuple("vwxyz")
    assert found.scales == (1.0, 1.0, 1.0, 1.0)
    assert found.pixels == (-1.0, 1.0)
    assert found.pixels_told_by.endswith(".onnx's metadata")


def test_labels_of_another_number_are_left_out(tmp_path: Path) -> None:
    path = forms.classifier(tmp_path)
    for lines, expected in ((4, 4), (3, 4), (7, 0)):
        (tmp_path / "labels.txt").write_text("\n".join(f"l{i}" for i in range(lines)))
        assert len(task(path).labels) == expected
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
    assert task(path).labels_from == "labels.txt"


@pytest.mark.parametrize("lines", [0, 1, 2, 7])
def test_the_users_labels_of_another_number_are_refused(lines: int, tmp_path: Path) -> None:
    path = forms.classifier(tmp_path)
    names = tmp_path / "mine.txt"
    names.write_text("\n".join(f"l{i}" for i in range(lines)))
    count = "1 label" if lines == 1 else f"{lines} labels"
    expected = f"labels=mine.txt: {count}, and this classifier has 4 classes; correct"
    for attempt in (
        lambda: task(path, said(labels=names)),
        lambda: relabelled(task(path), said(labels=names)),
    ):
        with pytest.raises(UsageError, match=expected):
            attempt()
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
    with pytest.raises(UsageError, match=expected):
        task(path, said(labels=names))
    with pytest.raises(UsageError, match="this unknown has no classes"):
        task(path, said(task="unknown", labels=tmp_path / "labels.txt"))
    assert relabelled(task(path), said(labels=tmp_path / "labels.txt")).labels == tuple("abcd")


def test_labels_of_another_network_beside_the_file_are_told(tmp_path: Path) -> None:
    graph = lower_source(forms.classifier(tmp_path))
    assert labels_left_out(graph, task_of(graph)) == ""
    (tmp_path / "labels.txt").write_text("a\nb\n")
    graph = lower_source(forms.classifier(tmp_path))
    assert labels_left_out(graph, task_of(graph)) == (
        "labels.txt: 2 labels, and this classifier has 4 classes"
    )


def test_pixels_are_not_known_until_somebody_says_so(tmp_path: Path) -> None:
    path = forms.classifier(tmp_path)
    assert task(path).pixels is None
    assert task(path, Said(preprocess="torchvision")).pixels == (-2.1179, 2.64)
    assert task_of(lower_source("digits-int8")).pixels_told_by == "the input's scale"


def test_what_the_user_says_goes_before_the_file(tmp_path: Path) -> None:
    meaning = {"anchors": MAPS, "labels": list("vwxyz"), "fit": "stretch"}
    path = forms.map_heads(tmp_path, meaning)
    assert task(path).fit == "stretch"
    assert task(path, said(fit="crop")).fit == "crop"


def test_a_kind_that_the_outputs_have_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="those of a classifier"):
        task(forms.classifier(tmp_path), said(task="segmenter"))


@pytest.mark.parametrize("words", [{"task": "poet"}, {"fit": "tight"}])
def test_unknown_words_are_refused(words: Any) -> None:
    with pytest.raises(UsageError, match="expected one of"):
        said(**words)


def test_metadata_that_is_none_says_nothing() -> None:
    for text in ("{", "[]", "{}"):
        assert said_in_metadata({"edgemnv2": text}, "x") == Said()
    with pytest.raises(InputError, match="four numbers"):
        said_in_metadata(
            {"edgemnv2": '{"anchors": {"maps": [[1, 1, [[1, 1]]]], "scales": [1]}}'}, "x"
        )
    with pytest.raises(InputError, match="not a description"):
        said_in_metadata({"edgemnv2": '{"anchors": {"maps": 3}}'}, "x")


def test_a_damaged_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"damaged")
    assert said_by_file(tmp_path / "net.onnx") == Said()
