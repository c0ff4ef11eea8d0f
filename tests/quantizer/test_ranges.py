"""Ranges hold zero exactly and follow the measured error."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.quantizer.ranges import (
    METHODS,
    Histogram,
    affine,
    choose_range,
    choose_score_range,
    quantized_and_back,
)


@pytest.mark.parametrize(("low", "high"), [(0, 6), (-3.1, 5.7), (1, 2), (-4, -1), (0, 0)])
def test_zero_is_stored_exactly_and_scales_are_float32(low, high):
    quant = affine(low, high)
    assert -128 <= quant.zero_point <= 127
    assert quant.scale > 0
    assert float(np.float32(quant.scale)) == quant.scale
    assert quantized_and_back(np.zeros(1, np.float32), quant)[0] == 0
    bottom = (-128 - quant.zero_point) * quant.scale
    top = (127 - quant.zero_point) * quant.scale
    assert bottom <= min(low, 0) + quant.scale
    assert top >= max(high, 0) - quant.scale


def test_relu6_fills_all_256_steps():
    quant = affine(0.0, 6.0)
    assert quant.zero_point == -128
    assert quant.scale == pytest.approx(6 / 255)


def chosen(values: np.ndarray, importance: np.ndarray, method: str = "error"):
    histogram = Histogram(float(values.min()), float(values.max()), importance, len(values))
    for image in values:
        histogram.add(image[np.newaxis])
    return choose_range(histogram, method)


def values_with_outliers() -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((4, 32, 32, 8)).astype(np.float32)
    values[0, 0, 0, 0] = 14.0
    return values


def test_the_error_method_cuts_off_an_outlier_and_min_max_does_not():
    values, even = values_with_outliers(), np.ones(8)
    ranges = {method: chosen(values, even, method) for method in METHODS}

    def error(method: str) -> float:
        return float(((quantized_and_back(values, ranges[method]) - values) ** 2).mean())

    assert ranges["min-max"].scale * (127 - ranges["min-max"].zero_point) == pytest.approx(14, 0.02)
    assert error("error") < error("min-max")
    assert ranges["percentile"].scale < ranges["min-max"].scale


def test_an_important_channel_keeps_its_outlier():
    values = values_with_outliers()
    importance = np.full(8, 1e-6)
    importance[0] = 1.0
    values[:, ::2, ::2, 0] = 14.0  # a quarter of it
    kept = chosen(values, importance)
    assert (127 - kept.zero_point) * kept.scale > 13.5


def test_scores_far_below_the_best_are_cut_off_for_finer_steps():
    rng = np.random.default_rng(0)
    scores = rng.normal(-8.0, 4.0, (50, 200))
    # Two classes in each image are close, far above all others.
    first = rng.uniform(14.0, 16.0, 50)
    scores[np.arange(50), rng.integers(0, 100, 50)] = first
    scores[np.arange(50), rng.integers(100, 200, 50)] = first - rng.uniform(0.02, 0.5, 50)
    chosen, widest = choose_score_range(scores), affine(scores.min(), scores.max())
    assert chosen.scale < 0.8 * widest.scale
    kept, coarse = (quantized_and_back(scores.astype(np.float32), q) for q in (chosen, widest))
    right = scores.argmax(axis=1)
    assert (kept.argmax(axis=1) == right).sum() >= (coarse.argmax(axis=1) == right).sum()
    assert kept.max() >= scores.max() - chosen.scale


def test_scores_of_one_sign_have_a_range():
    scores = np.random.default_rng(1).uniform(-3.0, -1.0, (20, 10))
    assert choose_score_range(scores).scale > 0
