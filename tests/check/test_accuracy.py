"""Accuracy counts what it says, and ties go to the lowest index."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.check.accuracy import accuracy, agreement, class_scores, of_two_classes, top_k
from edgemnv2.errors import InputError


def outputs(rows, dtype="float32"):
    return np.array(rows, dtype)[:, np.newaxis, np.newaxis]


def test_equal_scores_go_to_the_lowest_index():
    scores = np.array([[3, 9, 9, 1], [5, 5, 5, 5]], np.uint8)
    assert top_k(scores, 2).tolist() == [[1, 2], [0, 1]]


def test_the_lowest_int8_score_is_the_last():
    assert top_k(np.array([[-128, 127, 0]], np.int8), 3).tolist() == [[1, 2, 0]]


def test_top1_and_top5_in_percent():
    rows = np.tile(np.arange(10, 0, -1), (4, 1))  # class 0 first, 9 last
    result = accuracy(outputs(rows), np.array([0, 4, 5, 0]))
    assert (result.top1, result.top5, result.samples) == (50.0, 75.0, 4)
    assert not result.background_dropped


def test_1001_outputs_lose_their_background_class():
    scores = np.zeros((2, 1001), np.uint8)
    scores[0, 8] = scores[1, 1000] = 9
    result = accuracy(outputs(scores, "uint8"), np.array([7, 999]))
    assert result.top1 == 100.0
    assert result.background_dropped
    assert class_scores(outputs(scores, "uint8")).shape == (2, 1000)
    # Labels up to 1000 do count the background.
    assert accuracy(outputs(scores, "uint8"), np.array([8, 1000])).top1 == 100.0


def test_agreement_counts_positions():
    a = np.array([[[[1, 2], [5, 2]]], [[[1, 2], [1, 2]]]], np.int8)
    b = np.array([[[[0, 7], [1, 9]]], [[[1, 2], [1, 2]]]], np.int8)
    assert agreement(a, b) == 75.0


def test_agreement_of_one_channel_is_of_the_sides_of_its_threshold():
    a = np.array([0.1, 0.5, 0.49, 0.9], np.float32).reshape(1, 2, 2, 1)
    b = np.array([0.4, 0.6, 0.51, 0.5], np.float32).reshape(1, 2, 2, 1)
    assert agreement(a, b, 0.5) == 75.0
    assert agreement(a, b, 0.45) == 100.0
    # No class could be another one: a share would say nothing.
    assert agreement(a, b) is None


def test_one_number_for_two_classes_has_a_best_one():
    outputs = np.array([-3, 5, 0, 9], np.int8).reshape(4, 1, 1, 1)
    found = accuracy(of_two_classes(outputs, 1.5), np.array([0, 1, 1, 1]))
    assert (found.top1, found.top5) == (75.0, 100.0)


def test_agreement_of_classes_counts_equal_ones():
    a = np.array([[[[3, 2, 5, 2]]]], np.int64)
    b = np.array([[[[3, 7, 5, 9]]]], np.int64)
    assert agreement(a, b) == 50.0
    assert agreement(a, a) == 100.0


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(InputError, match="labels go from 0 to 3 but the model has 3 classes"):
        accuracy(outputs([[1, 2, 3], [1, 2, 3]]), np.array([0, 3]))
    with pytest.raises(InputError, match="1 label for 2 outputs"):
        accuracy(outputs([[1, 2, 3], [1, 2, 3]]), np.array([0]))
    with pytest.raises(InputError, match="are a grid, not class scores"):
        accuracy(np.zeros((1, 2, 2, 3)), np.array([0]))
    with pytest.raises(InputError, match="cannot agree"):
        agreement(np.zeros((1, 1, 1, 3)), np.zeros((1, 1, 1, 4)))
