"""Integer weights stay symmetric and in range; biases keep the mean; feedback lowers the error."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.model import QuantParams
from edgemnv2.ops.convolution import reference as convolution_reference
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.windows import pad, patches
from edgemnv2.quantizer.weights import (
    CovarianceSum,
    corrected_bias,
    feedback_of,
    hands_errors_on,
    mean_patch,
    quantize_weights,
    weight_scales,
)

SOURCE = QuantParams(0.02, -3)
NO_CLAMP = (-np.inf, np.inf)


def layer_of(kind, seed=0, channels=6, stride=(1, 1)):
    rng = np.random.default_rng(seed)
    shape = (3, 3, channels) if kind is DepthwiseConv2D else (3, 3, channels, 4)
    weight = rng.standard_normal(shape, np.float32)
    bias = rng.standard_normal(shape[-1], np.float32)
    return kind("layer", ("x",), "y", weight, bias, stride, (1, 1, 1, 1), NO_CLAMP)


def quantized(layer, per_channel=True, covariance=None):
    scale = weight_scales(layer, SOURCE, per_channel=per_channel).astype(np.float32)
    return quantize_weights(layer, scale, covariance)


def covariance_of(layer, x):
    total = CovarianceSum(layer, len(x), 1)
    for image in x:
        total.add(image[np.newaxis])
    return total.covariance()


def run(layer, x):
    function = (
        convolution_reference.float_conv2d
        if isinstance(layer, Conv2D)
        else convolution_reference.float_depthwise
    )
    return function(layer, x)


@pytest.mark.parametrize("kind", [Conv2D, DepthwiseConv2D])
def test_weights_are_symmetric_and_within_half_a_step(kind):
    layer = layer_of(kind)
    for per_channel in (True, False):
        weights = quantized(layer, per_channel)
        assert weights.values.dtype == np.int8
        assert np.abs(weights.values.astype(int)).max() == 127
        error = np.abs(weights.real - layer.weight)
        assert (error <= 0.5 * weights.scale.astype(np.float64) * (1 + 1e-6)).all()
        assert (len(np.unique(weights.scale)) == 1) != per_channel


def test_a_dead_channel_keeps_room_for_its_bias():
    layer = layer_of(DepthwiseConv2D)
    layer.weight[:, :, 2] = 0
    layer.bias[2] = 5.0
    weights = quantized(layer)
    assert 5.0 / (SOURCE.scale * float(weights.scale[2])) < 2**30


@pytest.mark.parametrize("kind", [Conv2D, DepthwiseConv2D])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_a_corrected_bias_keeps_the_mean_of_every_channel(kind, stride):
    layer = layer_of(kind, stride=stride)
    rng = np.random.default_rng(1)
    x = rng.random((3, 9, 9, 6), np.float32)
    noisy = x + 0.1 * rng.random(x.shape, np.float32)
    weights = quantized(layer)
    bias = corrected_bias(layer, weights, mean_patch(layer, x), mean_patch(layer, noisy))
    rounded = kind(
        "layer",
        ("x",),
        "y",
        weights.real.astype(np.float32),
        bias.astype(np.float32),
        stride,
        (1, 1, 1, 1),
        NO_CLAMP,
    )
    before, after = run(layer, x).mean(axis=(0, 1, 2)), run(rounded, noisy).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_mean_patches_take_the_zero_point_off_before_the_padding():
    layer = layer_of(DepthwiseConv2D)
    stored = np.full((1, 3, 3, 6), -3, np.int8)
    np.testing.assert_array_equal(mean_patch(layer, stored, zero_point=-3), np.zeros((3, 3, 6)))


@pytest.mark.parametrize("kind", [Conv2D, DepthwiseConv2D])
def test_handing_errors_on_lowers_the_outputs_error_where_inputs_go_together(kind):
    layer = layer_of(kind, channels=3)
    rng = np.random.default_rng(2)
    smooth = np.cumsum(np.cumsum(rng.standard_normal((4, 24, 24, 3)), axis=1), axis=2)
    x = smooth.astype(np.float32)

    def spread(weights):
        rounded = kind(
            "layer",
            ("x",),
            "y",
            weights.real.astype(np.float32),
            layer.bias,
            (1, 1),
            (1, 1, 1, 1),
            NO_CLAMP,
        )
        return float((run(rounded, x) - run(layer, x)).var())

    covariance = covariance_of(layer, x)
    plain = quantized(layer)
    fed = quantized(layer, covariance=covariance)
    assert spread(fed) < 0.7 * spread(plain)


@pytest.mark.parametrize("kind", [Conv2D, DepthwiseConv2D])
def test_covariance_equals_its_definition(kind):
    layer = layer_of(kind, channels=3)
    x = np.random.default_rng(3).random((6, 5, 5, 3), np.float32)
    windows = patches(pad(x, (1, 1, 1, 1)), (3, 3), (1, 1))
    if kind is Conv2D:
        wanted = [windows.reshape(-1, 27)]
    else:
        wanted = [windows[..., c].reshape(-1, 9) for c in range(3)]
    expected = [np.cov(w.astype(np.float64).T, bias=True) for w in wanted]
    np.testing.assert_allclose(covariance_of(layer, x), expected, atol=1e-6)


def test_too_few_pixels_are_no_covariance():
    layer = layer_of(Conv2D, channels=3)
    assert covariance_of(layer, np.ones((1, 5, 5, 3), np.float32)) is None


def test_layers_whose_covariance_has_room_hand_errors_on():
    fine, coarse = feedback_of(per_channel=True), feedback_of(per_channel=False)
    for feedback, most in ((fine, 160), (coarse, 3)):
        assert hands_errors_on(layer_of(DepthwiseConv2D), feedback)
        assert hands_errors_on(layer_of(Conv2D, channels=most), feedback)
        assert not hands_errors_on(layer_of(Conv2D, channels=most + 1), feedback)
