"""Float layers against plain loops in float64; 1e-5 covers float32 sums of this depth."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.ops.add import reference as add_reference
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution import reference as convolution_reference
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.pool import reference as pool_reference
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.softmax import reference as softmax_reference

TOLERANCE = 1e-5


def loops(x, weight, bias, stride, padding, clamp):
    """Dense convolution of `[N, H, W, C]` by `[KH, KW, Cin, Cout]`."""
    top, left, bottom, right = padding
    padded = np.pad(x.astype(np.float64), ((0, 0), (top, bottom), (left, right), (0, 0)))
    kh, kw = weight.shape[:2]
    oh = (padded.shape[1] - kh) // stride[0] + 1
    ow = (padded.shape[2] - kw) // stride[1] + 1
    out = np.empty((len(x), oh, ow, weight.shape[3]))
    for y in range(oh):
        for z in range(ow):
            window = padded[:, y * stride[0] :, z * stride[1] :][:, :kh, :kw]
            out[:, y, z] = np.einsum("nijc,ijco->no", window, weight.astype(np.float64)) + bias
    return np.clip(out, *clamp)


@pytest.mark.parametrize("clamp", [(0.0, 6.0), (-np.inf, np.inf)])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [
        ((1, 1), (1, 1), (0, 0, 0, 0)),
        ((3, 3), (2, 2), (0, 0, 1, 1)),
        ((3, 3), (1, 1), (1, 1, 1, 1)),
        ((2, 3), (1, 2), (1, 0, 0, 2)),
    ],
)
def test_convolutions_equal_plain_loops(kernel, stride, padding, clamp, monkeypatch):
    monkeypatch.setattr(convolution_reference, "BLOCK_ELEMENTS", 40)  # several blocks
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 7, 6, 5), np.float32)
    weight = rng.standard_normal((*kernel, 5, 4), np.float32)
    bias = rng.standard_normal(4, np.float32)
    layer = Conv2D("c", ("x",), "y", weight, bias, stride, padding, clamp)
    expected = loops(x, weight, bias, stride, padding, clamp)
    out = convolution_reference.float_conv2d(layer, x)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, expected, atol=TOLERANCE)

    taps, bias = rng.standard_normal((*kernel, 5), np.float32), rng.standard_normal(5, np.float32)
    diagonal = taps[..., np.newaxis] * np.eye(5)
    layer = DepthwiseConv2D("d", ("x",), "y", taps, bias, stride, padding, clamp)
    expected = loops(x, diagonal, bias, stride, padding, clamp)
    np.testing.assert_allclose(
        convolution_reference.float_depthwise(layer, x), expected, atol=TOLERANCE
    )


def test_add_pool_and_softmax():
    rng = np.random.default_rng(2)
    a, b = (rng.standard_normal((2, 3, 4, 5), np.float32) for _ in range(2))
    out = add_reference.float_add(Add("a", ("a", "b"), "y", clamp=(-1.0, 1.0)), a, b)
    np.testing.assert_array_equal(out, np.clip(a + b, -1, 1))
    pool = GlobalAveragePool("p", ("a",), "y", clamp=(-np.inf, np.inf))
    mean = a.astype(np.float64).mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(pool_reference.float_mean(pool, a), mean, atol=TOLERANCE)
    soft = softmax_reference.float_softmax(a * 1000)
    assert np.isfinite(soft).all()
    np.testing.assert_allclose(soft.sum(axis=-1), 1, atol=TOLERANCE)
    exponentials = np.exp(a.astype(np.float64))
    expected = exponentials / exponentials.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(softmax_reference.float_softmax(a), expected, atol=TOLERANCE)
