"""The decoder in C beside its twin in NumPy, on outputs of every kind and type."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.codegen.answers import Answers, answers_source
from edgemnv2.codegen.ends import InterfaceEnd
from edgemnv2.meaning.anchors import ssd_anchors
from edgemnv2.runtime.vision import decode as twin
from edgemnv2.task import Task
from tests.codegen.around_network import end, interface, library, pointers, record

Array = np.ndarray[Any, Any]
QUANT = {"float32": None, "int8": (0.0625, 3), "uint8": (0.0625, 100)}
CLOSE = 3e-6
"""Relative: the exponential in C is right to two units in the last place, sums are of some ten."""
THRESHOLDS = (0.05, 0.3, 0.6)


class Class(ctypes.Structure):
    _fields_ = [("class_index", ctypes.c_int32), ("score", ctypes.c_float)]


class Detection(ctypes.Structure):
    _fields_ = [
        *((x, ctypes.c_float) for x in ("top", "left", "bottom", "right")),
        ("class_index", ctypes.c_int32),
        ("score", ctypes.c_float),
    ]


class Centroid(ctypes.Structure):
    _fields_ = [
        *((x, ctypes.c_float) for x in ("y", "x", "top", "left", "bottom", "right")),
        ("class_index", ctypes.c_int32),
        ("score", ctypes.c_float),
        ("weight", ctypes.c_float),
    ]


def stored(real: Array, one: InterfaceEnd) -> Array:
    """Real values as the end stores them, `[1, H, W, C]`."""
    shape = (1, one.height, one.width, one.channels)
    if one.scale is None or one.zero_point is None:
        return np.ascontiguousarray(real.reshape(shape), np.float32)
    limits = np.iinfo(one.dtype)
    steps = np.clip(np.rint(real / one.scale) + one.zero_point, limits.min, limits.max)
    return np.ascontiguousarray(steps.reshape(shape), one.dtype)


def both(
    task: Task,
    ends: list[InterfaceEnd],
    arrays: list[Array],
    kind: Any,
    loaded: ctypes.CDLL,
    threshold: float,
    capacity: int,
) -> tuple[list[Any], twin.Answer]:
    """What C and NumPy say."""
    found = (kind * max(capacity, 1))()
    loaded.net_decode.argtypes = [
        ctypes.c_void_p,
        ctypes.c_float,
        ctypes.c_void_p,
        ctypes.c_int32,
    ]
    ends_in_c = pointers(arrays)
    count = loaded.net_decode(ctypes.byref(ends_in_c), threshold, found, capacity)
    named = {one.field: array for one, array in zip(ends, arrays, strict=True)}
    records = [record(one) for one in ends]
    # C compares with a float32.
    limit = float(np.float32(threshold))
    return list(found[:count]), twin.decode(task.to_dict(), records, named, limit, capacity)


def assert_equal(c: list[Any], numpy: Any, names: tuple[str, ...]) -> None:
    assert [x.class_index for x in c] == [x.index for x in numpy]
    for name in (*names, "score"):
        got = [getattr(x, name) for x in c]
        np.testing.assert_allclose(got, [getattr(x, name) for x in numpy], CLOSE, CLOSE)


@pytest.mark.parametrize("scores", ["probabilities", "softmax", "sigmoid"])
@pytest.mark.parametrize("dtype", QUANT)
def test_classes(dtype: str, scores: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    task = Task("classifier", "", {"scores": ("out",)}, 17, scores)
    one = end("out", (1, 1, 17), dtype, QUANT[dtype])
    loaded = library(interface(task, [one]), tmp_path)
    seen = 0
    for threshold in (0.0, *THRESHOLDS):
        for capacity in (1, 3, 64):
            real = rng.normal(0, 2, 17) if scores != "probabilities" else rng.random(17)
            args = (task, [one], [stored(real, one)], Class, loaded, threshold, capacity)
            c, numpy = both(*args)
            assert_equal(c, numpy.classes, ())
            seen += len(c)
    assert seen > 20


@pytest.mark.parametrize("scores", ["probabilities", "sigmoid"])
@pytest.mark.parametrize("dtype", QUANT)
def test_one_number_for_two_classes(dtype: str, scores: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    task = Task("classifier", "", {"foreground": ("out",)}, 2, scores)
    quant = {"float32": None, "int8": (1 / 256, -128), "uint8": (1 / 255, 0)}
    one = end("out", (1, 1, 1), dtype, (quant if scores == "probabilities" else QUANT)[dtype])
    loaded = library(interface(task, [one]), tmp_path)
    firsts = set()
    for chance in (0.5, *rng.uniform(0.01, 0.99, 9)):
        real = np.array([chance if scores == "probabilities" else np.log(chance / (1 - chance))])
        for threshold, capacity in ((0.0, 64), (0.0, 1), (0.7, 64)):
            args = (task, [one], [stored(real, one)], Class, loaded, threshold, capacity)
            c, numpy = both(*args)
            assert_equal(c, numpy.classes, ())
            if threshold == 0.0 and capacity > 1:
                assert sum(x.score for x in c) == pytest.approx(1)
                firsts.add(c[0].class_index)
    assert firsts == {0, 1}


def heads(dtype: str, rng: np.random.Generator, classes: int) -> tuple[Any, list[Array]]:
    """Two maps of 6x6 and 3x3 cells: scores and boxes of each, scores with equal ones."""
    ends, arrays = [], []
    for index, side in enumerate((6, 3)):
        boxes = 3 if index == 0 else 6
        for kind, values, spread in (("scores", classes, 2.5), ("boxes", 4, 3.0)):
            one = end(f"{kind}{index}", (side, side, boxes * values), dtype, QUANT[dtype])
            real = rng.normal(-1.0 if kind == "scores" else 0, spread, (side, side, boxes * values))
            ends.append(one)
            arrays.append(stored(real, one))
    return ends, arrays


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("scores", ["softmax", "sigmoid"])
@pytest.mark.parametrize("dtype", QUANT)
def test_boxes_of_anchors(dtype: str, scores: str, background: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    anchors = ssd_anchors([(6, 6), (3, 3)])
    roles = {"scores": ("scores0", "scores1"), "boxes": ("boxes0", "boxes1")}
    task = Task("detector", "", roles, 5, scores, background, anchors=anchors)
    ends, _ = heads(dtype, rng, 5)
    loaded = library(interface(task, ends), tmp_path)
    kept = dropped = 0
    for _ in range(4):
        _, arrays = heads(dtype, rng, 5)
        for threshold in THRESHOLDS:
            for capacity in (1, 7, 64, 200):
                args = (task, ends, arrays, Detection, loaded, threshold, capacity)
                c, numpy = both(*args)
                assert_equal(c, numpy.detections, ("top", "left", "bottom", "right"))
                kept += len(c)
                dropped += len(c) < capacity
    assert kept > 200
    assert dropped


@pytest.mark.parametrize("classes_a_box", [(1, 1), (2, 2), (3, 3), (2, 3)])
def test_boxes_that_the_network_decodes(classes_a_box: tuple[int, int], tmp_path: Path) -> None:
    roles = {x: (x,) for x in ("boxes", "classes", "scores", "count")}
    task = Task("detector", "", roles, 3, "probabilities", classes_a_box=classes_a_box)
    ends = [
        end("boxes", (1, 10, 4), "float32"),
        end("classes", (1, 1, 10), "float32"),
        end("scores", (1, 1, 10), "float32"),
        end("count", (1, 1, 1), "float32"),
    ]
    told, apart = classes_a_box
    loaded = library(interface(task, ends), tmp_path)
    rng = np.random.default_rng(3)
    for count in (0, 4, 10, 99, -3, np.nan, np.inf):
        arrays = [
            rng.random((1, 1, 10, 4), np.float32),
            rng.choice([0, 1, 2, np.nan, -7, 1e38], (1, 1, 1, 10)).astype(np.float32),
            rng.random((1, 1, 1, 10), np.float32),
            np.full((1, 1, 1, 1), count, np.float32),
        ]
        scores = arrays[2].ravel()
        boxes = 0 if np.isnan(count) else min(count, 10 // apart)
        rows = [i for i in range(10) if i // apart < boxes and i % apart < told]
        passed = sorted((scores[i] for i in rows if scores[i] >= 0.4), reverse=True)
        for capacity in (1, 3, 8, 64):
            c, numpy = both(task, ends, arrays, Detection, loaded, 0.4, capacity)
            assert_equal(c, numpy.detections, ("top", "left", "bottom", "right"))
            assert [x.score for x in c] == passed[:capacity]


@pytest.mark.parametrize("dtype", QUANT)
def test_centroids_of_a_grid(dtype: str, tmp_path: Path) -> None:
    task = Task("grid", "", {"scores": ("out",)}, 3, "softmax", background=True)
    one = end("out", (9, 11, 3), dtype, QUANT[dtype])
    loaded = library(interface(task, [one]), tmp_path)
    rng = np.random.default_rng(4)
    joined = 0
    for lean in (0.0, 1.5, 3.0):
        for threshold in THRESHOLDS:
            for capacity in (2, 64):
                real = rng.normal(0, 2, (9, 11, 3)) + np.array([lean, 0, 0])
                args = (task, [one], [stored(real, one)], Centroid, loaded, threshold, capacity)
                c, numpy = both(*args)
                assert_equal(c, numpy.centroids, ("y", "x", "top", "left", "bottom", "right"))
                joined += sum(x.bottom - x.top > 1.5 / 9 for x in c)
    assert joined > 5


def test_no_two_centroids_of_a_class_touch() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        found = twin.centroids(rng.dirichlet([3, 1, 1], (8, 8)), 0.2)
        for i, a in enumerate(found):
            for b in found[i + 1 :]:
                apart = a.bottom < b.top or b.bottom < a.top or a.right < b.left or b.right < a.left
                assert a.index != b.index or apart


@pytest.mark.parametrize(
    ("dtype", "of_classes"),
    [*((x, False) for x in QUANT), ("int64", True), ("int32", True), ("float32", True)],
)
def test_masks(dtype: str, of_classes: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    if of_classes:
        task = Task("segmenter", "", {"mask": ("out",)}, 6)
        one = end("out", (1, 7, 9), dtype)
        array = rng.integers(0, 6, (1, 1, 7, 9)).astype(dtype)
        if dtype == "float32":
            array[0, 0, 0, :5] = np.nan, np.inf, -np.inf, 255.5, -0.5
    else:
        task = Task("segmenter", "", {"scores": ("out",)}, 6)
        one = end("out", (7, 9, 6), dtype, QUANT[dtype])
        array = stored(np.rint(rng.normal(0, 1, (7, 9, 6))), one)
    loaded = library(interface(task, [one]), tmp_path)
    mask, counts = np.zeros((7, 9), np.uint8), np.zeros(6, np.uint32)
    ends = pointers([array])
    present = loaded.net_decode(
        ctypes.byref(ends), ctypes.c_void_p(mask.ctypes.data), ctypes.c_void_p(counts.ctypes.data)
    )
    shaped = {**record(one), "shape": [1, 7, 9]} if dtype == "int64" else record(one)
    answer = twin.decode(task.to_dict(), [shaped], {"out": array})
    assert answer.mask is not None
    np.testing.assert_array_equal(mask, answer.mask)
    np.testing.assert_array_equal(counts, np.bincount(mask.ravel(), minlength=6)[:6])
    assert present == len(np.unique(mask))


@pytest.mark.parametrize("scores", ["probabilities", "sigmoid"])
@pytest.mark.parametrize("dtype", QUANT)
def test_masks_of_one_channel(dtype: str, scores: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    task = Task("segmenter", "", {"foreground": ("out",)}, 2, scores, background=True)
    quant = {"float32": None, "int8": (1 / 256, -128), "uint8": (1 / 255, 0)}
    one = end("out", (7, 9, 1), dtype, (quant if scores == "probabilities" else QUANT)[dtype])
    loaded = library(interface(task, [one]), tmp_path)
    loaded.net_decode.argtypes = [
        ctypes.c_void_p,
        ctypes.c_float,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    for threshold in (0.0, 0.25, 0.5, 0.9, 2.0):
        # Some of them lie on a usual threshold.
        chances = np.where(rng.random((7, 9)) < 0.3, 0.5, rng.uniform(0.01, 0.99, (7, 9)))
        real = chances if scores == "probabilities" else np.log(chances / (1 - chances))
        array = stored(real, one)
        mask, counts = np.zeros((7, 9), np.uint8), np.zeros(2, np.uint32)
        ends = pointers([array])
        present = loaded.net_decode(
            ctypes.byref(ends), threshold, mask.ctypes.data, counts.ctypes.data
        )
        answer = twin.decode(task.to_dict(), [record(one)], {"out": array}, threshold)
        assert answer.mask is not None
        np.testing.assert_array_equal(mask, answer.mask)
        np.testing.assert_array_equal(counts, np.bincount(mask.ravel(), minlength=2))
        assert present == len(np.unique(mask))
        if dtype == "float32":
            np.testing.assert_array_equal(mask, np.float32(chances) >= np.float32(threshold))
        # In place, as firmware does it.
        loaded.net_decode(ctypes.byref(ends), threshold, array.ctypes.data, None)
        np.testing.assert_array_equal(array.view(np.uint8).ravel()[:63], mask.ravel())


@pytest.mark.parametrize("dtype", QUANT)
def test_embeddings(dtype: str, tmp_path: Path) -> None:
    task = Task("embedding", "", {"embedding": ("out",)}, 33)
    one = end("out", (1, 1, 33), dtype, QUANT[dtype])
    loaded = library(interface(task, [one]), tmp_path)
    loaded.net_decode.restype = None
    loaded.net_similarity.restype = ctypes.c_float
    rng = np.random.default_rng(7)
    made = []
    for real in (*rng.normal(0, 1, (3, 33)), np.zeros(33)):
        array, out = stored(real, one), np.zeros(33, np.float32)
        ends = pointers([array])
        loaded.net_decode(ctypes.byref(ends), ctypes.c_void_p(out.ctypes.data))
        answer = twin.decode(task.to_dict(), [record(one)], {"out": array})
        assert answer.embedding is not None
        np.testing.assert_allclose(out, answer.embedding, CLOSE, CLOSE)
        made.append(out)
    for a in made:
        for b in made:
            arguments = (ctypes.c_void_p(x.ctypes.data) for x in (a, b))
            assert loaded.net_similarity(*arguments) == pytest.approx(
                twin.similarity(a, b), abs=CLOSE
            )


def test_labels_are_c_strings_of_any_text(tmp_path: Path) -> None:
    labels = ("plain", 'a "quoted" \\ one', "späti", "what??/", "new\nline")
    task = Task("classifier", "", {"scores": ("out",)}, 5, "softmax", labels=labels)
    loaded = library(interface(task, [end("out", (1, 1, 5), "float32")]), tmp_path)
    table = (ctypes.c_char_p * 5).in_dll(loaded, "net_labels")
    assert tuple((x or b"").decode() for x in table) == labels


def test_an_unknown_task_has_no_decoder() -> None:
    one = end("out", (1, 1, 5), "float32")
    answers = Answers(Task("unknown", ""), {"out": one})
    assert not answers.has_decoder
    assert "decode" not in answers_source(answers, "net").replace("_decode.c", "")
