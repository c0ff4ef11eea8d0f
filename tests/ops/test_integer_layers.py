"""The vectorised integer layers equal the scalar transcription of TFLite's kernels, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.arithmetic.fixed_point import make_requantize, quantize_multiplier
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.arithmetic.tflite import exp_table
from edgemnv2.model import QuantParams
from edgemnv2.ops.add import reference as add_reference
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution import reference as convolution_reference
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.dequantize import reference as dequantize_reference
from edgemnv2.ops.dequantize.layer import Dequantize
from edgemnv2.ops.graph import Tensor
from edgemnv2.ops.pool import reference as pool_reference
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.quantize import reference as quantize_reference
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.ops.rescale import reference as rescale_reference
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.ops.softmax import reference as softmax_reference
from edgemnv2.ops.softmax.layer import Softmax
from tests.ops import scalar_tflite as scalar


def tensor(name: str, shape, dtype="int8", scale=0.05, zero_point=0) -> Tensor:
    return Tensor(name, *shape, dtype, QuantParams(scale, zero_point))


def random_of(rng: np.random.Generator, shape, dtype="int8"):
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def pairs(factor: Requantize) -> list[tuple[int, int]]:
    return list(zip(factor.multiplier.tolist(), factor.shift.tolist(), strict=True))


CASES = {
    "pointwise": {"kernel": (1, 1), "stride": (1, 1), "padding": (0, 0, 0, 0)},
    "same stride 2": {"kernel": (3, 3), "stride": (2, 2), "padding": (0, 0, 1, 1)},
    "torch stride 2": {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1)},
    "uneven": {"kernel": (2, 3), "stride": (1, 2), "padding": (1, 0, 0, 2)},
    "uint8 input": {
        "kernel": (3, 3),
        "stride": (2, 2),
        "padding": (0, 0, 1, 1),
        "dtype": "uint8",
        "zx": 127,
    },
    "int16 weights": {
        "kernel": (1, 1),
        "stride": (1, 1),
        "padding": (0, 0, 0, 0),
        "weight": "int16",
        "limit": 255,
    },
    "left shifts": {
        "kernel": (1, 1),
        "stride": (1, 1),
        "padding": (0, 0, 0, 0),
        "reals": (0.2, 9.0),
    },
    "no shift": {"kernel": (1, 1), "stride": (1, 1), "padding": (0, 0, 0, 0), "reals": (0.5, 0.99)},
    "dead channels": {
        "kernel": (3, 3),
        "stride": (1, 1),
        "padding": (1, 1, 1, 1),
        "reals": (0.0, 0.0),
    },
    "wrapping": {
        "kernel": (1, 1),
        "stride": (1, 1),
        "padding": (0, 0, 0, 0),
        "bias": 2**31 - 1,
        "reals": (0.001, 3.0),
    },
    "one rounding": {"kernel": (1, 1), "stride": (1, 1), "padding": (0, 0, 0, 0), "once": True},
    "one rounding, halves": {
        "kernel": (1, 1),
        "stride": (1, 1),
        "padding": (0, 0, 0, 0),
        "once": True,
        "reals": (2**-9, 2**-9),
    },
}


def build(kind, case, rng, cin=5, cout=7):
    depthwise = kind is DepthwiseConv2D
    channels = cin if depthwise else cout
    shape = (*case["kernel"], cin) if depthwise else (*case["kernel"], cin, cout)
    limit = case.get("limit", 127)
    weight = rng.integers(-limit, limit, shape, endpoint=True).astype(case.get("weight", "int8"))
    top = case.get("bias", 3000)
    low, high = case.get("reals", (0.0005, 0.02))
    factor = make_requantize(rng.uniform(low, high, channels))
    if case.get("once"):
        factor = Requantize(factor.multiplier, factor.shift, rounding="once")
    layer = kind(
        "layer",
        ("x",),
        "y",
        weight=weight,
        bias=rng.integers(-top, top, channels, endpoint=True).astype(np.int32),
        stride=case["stride"],
        padding=case["padding"],
        clamp=(-128, 101),
        requantize=factor,
    )
    source = tensor("x", (6, 5, cin), case.get("dtype", "int8"), zero_point=case.get("zx", -11))
    return layer, source, channels


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", [Conv2D, DepthwiseConv2D])
@pytest.mark.parametrize("block", [1 << 14, 32])
def test_convolutions_equal_the_scalar_kernel(name, kind, block, monkeypatch):
    monkeypatch.setattr(convolution_reference, "BLOCK_ELEMENTS", block)
    case = CASES[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    layer, source, channels = build(kind, case, rng)
    x = random_of(rng, (2, *source.shape), source.dtype)
    function = convolution_reference.conv2d if kind is Conv2D else convolution_reference.depthwise
    # The output's height and width follow from the layer, so the target's are not read.
    out = function(layer, x, source, tensor("y", (0, 0, channels), zero_point=6))
    for image in range(2):
        weight = layer.weight
        if kind is DepthwiseConv2D:
            weight = np.zeros((*layer.weight.shape, channels), layer.weight.dtype)
            for c in range(channels):
                weight[:, :, c, c] = layer.weight[:, :, c]
        expected = scalar.convolution(
            x[image].tolist(),
            weight,
            layer.bias,
            layer.stride,
            layer.padding,
            source.quant.zero_point,
            6,
            (-128, 101),
            pairs(layer.requantize),
            once=bool(case.get("once")),
        )
        assert {i: int(out[image][i]) for i in expected} == expected
        assert out[image].size == len(expected)


def test_sums_beyond_the_float32_mantissa_stay_exact():
    """All weights 127, all inputs at the far end: 1280 * 127 * 255 > 2**24."""
    depth = 1280
    layer = Conv2D(
        "deep",
        ("x",),
        "y",
        weight=np.full((1, 1, depth, 2), 127, np.int8),
        bias=np.array([1, -1], np.int32),
        stride=(1, 1),
        padding=(0, 0, 0, 0),
        clamp=(-128, 127),
        requantize=make_requantize([2.0e-6, 2.1e-6]),
    )
    x = np.full((1, 1, 1, depth), 127, np.int8)
    x[0, 0, 0, 7] = 126
    source = tensor("x", (1, 1, depth), zero_point=-128)
    out = convolution_reference.conv2d(layer, x, source, tensor("y", (1, 1, 2)))
    acc = 127 * (255 * depth - 1)
    assert acc > 2**24
    expected = [
        scalar.scaled(acc + bias, m, s)
        for bias, (m, s) in zip((1, -1), pairs(layer.requantize), strict=True)
    ]
    assert out.reshape(-1).tolist() == expected


@pytest.mark.parametrize(
    ("dtype", "zero_points"), [("int8", (-7, 12, 3)), ("uint8", (120, 130, 9))]
)
def test_add_equals_the_scalar_kernel(dtype, zero_points):
    rng = np.random.default_rng(4)
    factors = (make_requantize([0.5]), make_requantize([0.31]), make_requantize([1.9 / (1 << 20)]))
    limits = np.iinfo(dtype)
    layer = Add(
        "add", ("a", "b"), "y", clamp=(limits.min, limits.max), left_shift=20, rescale=factors
    )
    a, b = random_of(rng, (2, 9, 8, 5), dtype), random_of(rng, (2, 9, 8, 5), dtype)
    sources = tuple(
        tensor(n, (9, 8, 5), dtype, zero_point=z)
        for n, z in zip("ab", zero_points[:2], strict=True)
    )
    out = add_reference.add(layer, a, b, sources, tensor("y", (9, 8, 5), dtype, 1, zero_points[2]))
    (m1, s1), (m2, s2), (m3, s3) = (pairs(f)[0] for f in factors)
    for va, vb, vy in zip(a.flat, b.flat, out.flat, strict=True):
        total = scalar.scaled((int(va) - zero_points[0]) << 20, m1, s1)
        total += scalar.scaled((int(vb) - zero_points[1]) << 20, m2, s2)
        value = scalar.scaled(total, m3, s3) + zero_points[2]
        assert int(vy) == scalar.clip(value, limits.min, limits.max)


def test_mean_equals_the_scalar_kernel():
    rng = np.random.default_rng(5)
    factor = make_requantize([1.3 / 20])
    layer = GlobalAveragePool("mean", ("x",), "y", clamp=(-128, 127), requantize=factor)
    x = random_of(rng, (3, 4, 5, 6))
    source = tensor("x", (4, 5, 6), zero_point=-9)
    out = pool_reference.mean(layer, x, source, tensor("y", (1, 1, 6), zero_point=4))
    for n in range(3):
        for c in range(6):
            total = sum(int(v) + 9 for v in x[n, :, :, c].flat)
            assert out[n, 0, 0, c] == scalar.clip(
                scalar.scaled(total, *pairs(factor)[0]) + 4, -128, 127
            )


def test_average_pool_rounds_halves_away_from_zero():
    layer = GlobalAveragePool("pool", ("x",), "y", clamp=(-128, 127))
    x = np.array([[3, -3, 4, -4, 127, -128], [4, -4, 4, -4, 127, -128]], np.int8)
    source = tensor("x", (1, 2, 6))
    out = pool_reference.mean(layer, x[np.newaxis, np.newaxis], source, source)
    assert out.reshape(-1).tolist() == [4, -4, 4, -4, 127, -128]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("scale", [0.003, 0.0625, 0.17, 0.9, 3.5])
@pytest.mark.parametrize("channels", [2, 10, 300])
def test_softmax_equals_the_scalar_kernel(dtype, scale, channels):
    rng = np.random.default_rng(channels)
    limits = np.iinfo(dtype)
    x = random_of(rng, (2, 2, 3, channels), dtype)
    x[0, 0, 0] = limits.min  # equal scores: nothing but maxima
    x[0, 0, 1, 1:] = limits.min
    x[0, 0, 1, 0] = limits.max
    layer = Softmax("softmax", ("x",), "y", exp_table=exp_table(scale))
    target = tensor("y", (2, 3, channels), dtype, 1 / 256, limits.min)
    out = softmax_reference.softmax(layer, x, target)
    for pixel, result in zip(x.reshape(-1, channels), out.reshape(-1, channels), strict=True):
        expected = scalar.softmax(
            pixel.tolist(), scale, int(limits.min), int(limits.max), quantize_multiplier
        )
        assert result.tolist() == expected


@pytest.mark.parametrize(
    ("dtype", "zx", "made", "zy"),
    [
        ("uint8", 128, "int8", 0),
        ("int8", -3, "uint8", 90),
        ("int8", 5, "int8", -5),
    ],
)
@pytest.mark.parametrize("real", [1.0, 0.37, 1.9])
def test_rescale_equals_the_scalar_kernel(dtype, zx, made, zy, real):
    limits = np.iinfo(made)
    factor = make_requantize([real])
    layer = Rescale("rescale", ("x",), "y", requantize=factor, clamp=(limits.min, limits.max))
    x = np.arange(256, dtype=np.uint8).view(dtype).reshape(1, 16, 16, 1)
    out = rescale_reference.rescale(
        layer,
        x,
        tensor("x", (16, 16, 1), dtype, zero_point=zx),
        tensor("y", (16, 16, 1), made, zero_point=zy),
    )
    expected = [
        scalar.clip(scalar.scaled(int(v) - zx, *pairs(factor)[0]) + zy, limits.min, limits.max)
        for v in x.flat
    ]
    assert out.reshape(-1).tolist() == expected
    assert out.dtype == made


def test_quantize_rounds_halves_as_its_source_does():
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997, 1e9, -1e9], np.float32).reshape(1, 1, 8, 1)
    target = tensor("y", (1, 8, 1), scale=1.0, zero_point=0)
    away = quantize_reference.quantize(Quantize("q", ("x",), "y", rounding="away"), x, target)
    even = quantize_reference.quantize(Quantize("q", ("x",), "y", rounding="even"), x, target)
    assert away.reshape(-1).tolist() == [1, 2, 3, -1, -2, 0, 127, -128]
    assert even.reshape(-1).tolist() == [0, 2, 2, 0, -2, 0, 127, -128]


def test_dequantize_is_one_float32_product():
    x = np.arange(256, dtype=np.uint8).view(np.int8).reshape(1, 16, 16, 1)
    source = tensor("x", (16, 16, 1), scale=float(np.float32(0.0171)), zero_point=-14)
    out = dequantize_reference.dequantize(Dequantize("d", ("x",), "y"), x, source)
    expected = [np.float32((int(v) + 14) * source.quant.scale) for v in x.flat]
    assert out.dtype == np.float32
    assert out.reshape(-1).tolist() == [float(v) for v in expected]
