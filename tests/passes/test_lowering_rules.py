"""Each rewrite of the lowering by itself: before -> after, on networks of a few operators."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tvm import relax

from edgemnv2.arithmetic.fixed_point import quantize_multiplier
from edgemnv2.errors import DynamicShape, ModelError, UnsupportedOperator
from edgemnv2.frontend.relax import read_relax
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.dequantize.layer import Dequantize
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.model import Model
from edgemnv2.ops.pad.layer import Pad
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.passes import lower
from tests.passes.relax_models import conv, dequantize, model, quantize

RANDOM = np.random.default_rng(0)
WEIGHT = RANDOM.normal(0, 0.5, (3, 3, 4, 6)).astype(np.float32)
POINTWISE = RANDOM.normal(0, 0.5, (1, 1, 4, 6)).astype(np.float32)
VECTORS = RANDOM.uniform(0.5, 1.5, (6, 6)).astype(np.float32)
SHAPE = (1, 8, 8, 4)
INTEGERS = RANDOM.integers(-127, 128, (1, 1, 4, 6)).astype(np.int8)
WEIGHT_SCALE = np.float32(0.01)


def only(graph: Graph) -> Any:
    (layer,) = graph.layers
    return layer


def kinds(graph: Graph) -> list[type[Layer]]:
    return [type(layer) for layer in graph.layers]


def refused(source: Model, kind: type[ModelError] = UnsupportedOperator) -> str:
    with pytest.raises(kind) as caught:
        lower(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- padding ---------------------------------------------------------------------------------------


def test_pad_joins_the_padding_that_the_convolution_has() -> None:
    def body(emit: Any, x: Any) -> Any:
        x = emit(relax.op.nn.pad(x, [0, 0, 1, 2, 3, 4, 0, 0], "constant", 0.0))
        return emit(conv(x, relax.const(WEIGHT), padding=(1, 0, 1, 0)))

    layer = only(lower(model(body, SHAPE)))
    assert layer.padding == (2, 3, 3, 4)


def test_two_pads_add_up() -> None:
    def body(emit: Any, x: Any) -> Any:
        for _ in range(2):
            x = emit(relax.op.nn.pad(x, [0, 0, 0, 1, 0, 1, 0, 0], "constant", 0.0))
        return emit(conv(x, relax.const(WEIGHT)))

    assert only(lower(model(body, SHAPE))).padding == (0, 0, 2, 2)


def test_pad_passes_through_quantise_and_dequantise() -> None:
    def body(emit: Any, x: Any) -> Any:
        x = emit(dequantize(x, 0.5, 3))
        x = emit(relax.op.nn.pad(x, [0, 0, 1, 1, 1, 1, 0, 0], "constant", 0.0))
        x = emit(dequantize(emit(quantize(x, 0.5, 3)), 0.5, 3))
        weight = emit(dequantize(relax.const(INTEGERS), 0.01, 0))
        return emit(quantize(emit(conv(x, weight)), 0.25, -5))

    layer = only(lower(model(body, SHAPE, dtype="int8")))
    assert layer.padding == (1, 1, 1, 1)
    assert layer.inputs == ("input",)


def test_a_pad_that_is_no_real_zero_is_a_layer_of_its_own() -> None:
    def body(emit: Any, x: Any, value: float = 4.0) -> Any:
        x = emit(relax.op.nn.pad(x, [0, 0, 1, 1, 1, 1, 0, 0], "constant", value))
        weight = emit(dequantize(relax.const(INTEGERS), 0.01, 0))
        return emit(quantize(emit(conv(emit(dequantize(x, 0.5, 3)), weight)), 0.25, -5))

    pad, convolution = lower(model(body, SHAPE, dtype="int8")).layers
    assert isinstance(pad, Pad) and (pad.padding, pad.value) == ((1, 1, 1, 1), 4.0)
    assert isinstance(convolution, Conv2D) and convolution.padding == (0, 0, 0, 0)


def test_padded_channels_are_a_layer_of_its_own() -> None:
    def body(emit: Any, x: Any) -> Any:
        x = emit(relax.op.nn.pad(x, [0, 0, 0, 0, 0, 0, 0, 1], "constant", 0.0))
        return emit(conv(x, relax.const(np.ones((3, 3, 5, 6), np.float32))))

    pad, _ = lower(model(body, SHAPE)).layers
    assert isinstance(pad, Pad) and (pad.padding, pad.channels) == ((0, 0, 0, 0), (0, 1))


def test_a_padded_batch_is_refused() -> None:
    def body(emit: Any, x: Any) -> Any:
        return emit(relax.op.nn.pad(x, [1, 0, 0, 0, 0, 0, 0, 0], "constant", 0.0))

    assert refused(model(body, SHAPE)) == (
        "m.onnx: pad with output shape [2, 8, 8, 4]: padding of the batch is not supported; export "
        "the model for single images"
    )


def test_a_pad_in_front_of_anything_else_is_a_layer_of_its_own() -> None:
    def body(emit: Any, x: Any) -> Any:
        x = emit(relax.op.nn.pad(x, [0, 0, 1, 1, 1, 1, 0, 0], "constant", 0.0))
        return emit(relax.op.mean(x, [1, 2], keepdims=True))

    assert kinds(lower(model(body, SHAPE))) == [Pad, GlobalAveragePool]


# -- layout ----------------------------------------------------------------------------------------


def test_transposes_between_layouts_leave_no_layer() -> None:
    def body(emit: Any, x: Any) -> Any:
        x = emit(conv(x, relax.const(POINTWISE)))
        x = emit(relax.op.permute_dims(x, [0, 3, 1, 2]))
        x = emit(relax.op.clip(x, 0, 6))
        x = emit(relax.op.permute_dims(x, [0, 2, 3, 1]))
        return emit(relax.op.nn.softmax(x, axis=-1))

    graph = lower(model(body, SHAPE))
    assert kinds(graph) == [Conv2D, Softmax]


def test_a_flattened_map_becomes_a_convolution_in_either_order() -> None:
    """The same product over an NHWC and an NCHW flattening, its rows permuted accordingly."""
    matrix = RANDOM.normal(0, 1, (8 * 8 * 6, 3)).astype(np.float32)
    permuted = matrix.reshape(8, 8, 6, 3).transpose(2, 0, 1, 3).reshape(8 * 8 * 6, 3)

    def body(nchw: bool) -> Any:
        def build(emit: Any, x: Any) -> Any:
            x = emit(conv(x, relax.const(POINTWISE)))
            if nchw:
                x = emit(relax.op.permute_dims(x, [0, 3, 1, 2]))
            x = emit(relax.op.reshape(x, (1, 8 * 8 * 6)))
            return emit(relax.op.matmul(x, relax.const(permuted if nchw else matrix)))

        return build

    a, b = (lower(model(body(nchw), SHAPE)).layers[-1] for nchw in (False, True))
    assert isinstance(a, Conv2D) and isinstance(b, Conv2D)
    assert a.weight.shape == (8, 8, 6, 3)
    np.testing.assert_array_equal(a.weight, b.weight)


def test_a_product_per_pixel_is_a_pointwise_convolution() -> None:
    def body(emit: Any, x: Any) -> Any:
        x = emit(relax.op.reshape(x, (64, 4)))
        x = emit(relax.op.matmul(x, relax.const(POINTWISE[0, 0])))
        return emit(relax.op.reshape(x, (1, 8, 8, 6)))

    layer = only(lower(model(body, SHAPE)))
    assert layer.op == "pointwise"
    np.testing.assert_array_equal(layer.weight, POINTWISE)


def test_depthwise_kernels_of_either_layout_are_equal() -> None:
    kernel = RANDOM.normal(0, 1, (3, 3, 4)).astype(np.float32)

    def body(hwoi: bool) -> Any:
        def build(emit: Any, x: Any) -> Any:
            weight = kernel[..., np.newaxis] if hwoi else kernel[:, :, np.newaxis]
            layout = "HWOI" if hwoi else "HWIO"
            return emit(
                relax.op.nn.conv2d(
                    x,
                    relax.const(np.ascontiguousarray(weight)),
                    groups=4,
                    data_layout="NHWC",
                    kernel_layout=layout,
                )
            )

        return build

    layers = [only(lower(model(body(hwoi), SHAPE))) for hwoi in (True, False)]
    assert all(isinstance(layer, DepthwiseConv2D) for layer in layers)
    for layer in layers:
        np.testing.assert_array_equal(layer.weight, kernel)


# -- bias, batch normalisation, clamp --------------------------------------------------------------


def test_affine_operators_fold_in_any_order() -> None:
    """Sum, factor, difference, quotient, batch normalisation, sum: one weight and one bias."""

    def body(emit: Any, x: Any) -> Any:
        x = emit(conv(x, relax.const(POINTWISE)))
        x = emit(relax.op.add(x, relax.const(VECTORS[0])))
        x = emit(relax.op.multiply(x, relax.const(VECTORS[1])))
        x = emit(relax.op.subtract(x, relax.const(VECTORS[2])))
        x = emit(relax.op.divide(x, relax.const(np.float32(0.5))))
        parameters = [relax.const(VECTORS[i]) for i in (2, 3, 4, 5)]
        x = emit(relax.op.nn.batch_norm(x, *parameters, axis=3, epsilon=1e-3))
        x = emit(relax.TupleGetItem(x, 0))
        return emit(relax.op.add(relax.const(VECTORS[1]), x))

    graph = lower(model(body, SHAPE))
    layer = only(graph)
    image = RANDOM.normal(0, 1, (8, 8, 4))
    v = VECTORS.astype(np.float64)
    expected = ((image @ POINTWISE[0, 0].astype(np.float64) + v[0]) * v[1] - v[2]) / 0.5
    expected = v[2] * (expected - v[4]) / np.sqrt(v[5] + 1e-3) + v[3] + v[1]
    ours = run(graph, image.astype(np.float32))[graph.outputs[0]][0]
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)
    assert layer.bias.dtype == layer.weight.dtype == np.float32


def test_clamps_in_a_row_intersect() -> None:
    def body(emit: Any, x: Any) -> Any:
        x = emit(conv(x, relax.const(POINTWISE)))
        x = emit(relax.op.nn.relu(x))
        return emit(relax.op.clip(x, -1, 6))

    assert only(lower(model(body, SHAPE))).clamp == (0.0, 6.0)


def test_a_sum_and_a_mean_take_a_clamp_too() -> None:
    def body(emit: Any, x: Any) -> Any:
        x = emit(relax.op.nn.relu(emit(relax.op.add(x, x))))
        return emit(relax.op.clip(emit(relax.op.mean(x, [1, 2], keepdims=True)), 0, 1))

    graph = lower(model(body, SHAPE))
    assert [getattr(x, "clamp", None) for x in graph.layers] == [(0.0, math.inf), (0.0, 1.0)]


# -- quantisation ----------------------------------------------------------------------------------


def quantised(
    emit: Any, x: Any, *, out: tuple[float, int] = (0.25, -5), bias: Any = None, clip: Any = None
) -> Any:
    """dequantise, convolution, quantise."""
    weight = emit(dequantize(relax.const(INTEGERS), float(WEIGHT_SCALE), 0))
    y = emit(conv(emit(dequantize(x, 0.5, 3)), weight))
    if bias is not None:
        y = emit(relax.op.add(y, bias))
    if clip is not None:
        y = emit(relax.op.clip(y, *clip))
    return emit(quantize(y, *out))


@pytest.mark.parametrize("scale", [0.255, 0.25])
@pytest.mark.parametrize(("source", "rounding"), [("m.onnx", "even"), ("m.tflite", "twice")])
def test_a_quantised_convolution_has_the_factor_of_its_format(
    source: str, rounding: str, scale: float
) -> None:
    body = model(
        lambda emit, x: quantised(emit, x, out=(scale, -5)), SHAPE, dtype="int8", source=source
    )
    layer = only(lower(body))
    multiplier, shift = quantize_multiplier(0.5 * float(WEIGHT_SCALE) / float(np.float32(scale)))
    # ONNX's factors that are not exact are odd, so that no sum meets a half.
    odd = rounding == "even" and scale == 0.255
    assert set(layer.requantize.multiplier.tolist()) == {multiplier | odd}
    assert set(layer.requantize.shift.tolist()) == {shift}
    np.testing.assert_array_equal(layer.weight, INTEGERS)
    assert (layer.clamp, layer.bias.tolist()) == ((-128, 127), [0] * 6)
    assert layer.requantize.rounding == rounding


def test_a_float_clamp_becomes_stored_values() -> None:
    source = model(lambda emit, x: quantised(emit, x, clip=(0, 6)), SHAPE, dtype="int8")
    assert only(lower(source)).clamp == (-5, -5 + 24)


def test_a_float_bias_is_finer_than_a_step_of_the_sum() -> None:
    bias = relax.const(VECTORS[0])
    source = model(lambda emit, x: quantised(emit, x, bias=bias), SHAPE, dtype="int8")
    step = 0.5 * float(WEIGHT_SCALE)
    layer = only(lower(source))
    factor = layer.requantize
    assert factor.addend is not None
    fine = layer.bias + factor.addend / factor.multiplier
    np.testing.assert_allclose(fine, VECTORS[0].astype(np.float64) / step, atol=2.0**-8)


def test_a_float_bias_of_tflite_is_quantised() -> None:
    bias = relax.const(VECTORS[0])

    def body(emit: Any, x: Any) -> Any:
        return quantised(emit, x, bias=bias)

    step = 0.5 * float(WEIGHT_SCALE)
    expected = np.rint(VECTORS[0].astype(np.float64) / step)
    layer = only(lower(model(body, SHAPE, dtype="int8", source="m.tflite")))
    np.testing.assert_array_equal(layer.bias, expected)
    assert layer.requantize.addend is None


def test_a_stored_bias_of_the_right_scale_is_kept() -> None:
    def body(emit: Any, x: Any) -> Any:
        stored = relax.const(np.arange(6, dtype=np.int32))
        bias = emit(dequantize(stored, 0.5 * float(WEIGHT_SCALE), 0))
        return quantised(emit, x, bias=bias)

    np.testing.assert_array_equal(only(lower(model(body, SHAPE, dtype="int8"))).bias, range(6))


def test_a_clip_between_equal_scales_joins_the_convolution() -> None:
    def body(emit: Any, x: Any) -> Any:
        y = emit(dequantize(quantised(emit, x), 0.25, -5))
        return emit(quantize(emit(relax.op.clip(y, 0, 6)), 0.25, -5))

    layer = only(lower(model(body, SHAPE, dtype="int8")))
    assert isinstance(layer, Conv2D)
    assert layer.clamp == (-5, 19)


def test_a_clip_between_other_scales_is_a_rescale() -> None:
    def body(emit: Any, x: Any) -> Any:
        y = emit(dequantize(quantised(emit, x), 0.25, -5))
        return emit(quantize(emit(relax.op.clip(y, 0, 6)), 0.03, -128))

    graph = lower(model(body, SHAPE, dtype="int8"))
    assert kinds(graph) == [Conv2D, Rescale]
    assert graph.layers[1].clamp == (-128, 72)  # type: ignore[attr-defined]


def test_quantise_of_dequantise_vanishes() -> None:
    def body(emit: Any, x: Any) -> Any:
        y = quantised(emit, x)
        for _ in range(2):
            y = emit(quantize(emit(dequantize(y, 0.25, -5)), 0.25, -5))
        return y

    assert kinds(lower(model(body, SHAPE, dtype="int8"))) == [Conv2D]


def test_a_recast_at_the_output_is_the_producers_storage() -> None:
    def body(emit: Any, x: Any) -> Any:
        y = emit(dequantize(quantised(emit, x, clip=(0, 6)), 0.25, -5))
        return emit(quantize(y, 0.25, 123, "uint8"))

    graph = lower(model(body, SHAPE, dtype="int8"))
    layer = only(graph)
    assert graph.tensors[layer.output].dtype == "uint8"
    assert layer.clamp == (123, 147)


def test_a_recast_that_others_read_stays_a_rescale() -> None:
    """The int8 tensor has a second reader, so that its producer cannot write uint8."""

    def body(emit: Any, x: Any) -> Any:
        y = emit(dequantize(quantised(emit, x), 0.25, -5))
        recast = emit(dequantize(emit(quantize(y, 0.25, 123, "uint8")), 0.25, 123))
        return emit(quantize(emit(relax.op.add(y, recast)), 0.5, 0))

    graph = lower(model(body, SHAPE, dtype="int8"))
    # Inside, both are the same int8 values: no layer is left at all.
    assert [x.op for x in graph.layers] == ["pointwise", "add"]
    assert graph.layers[1].inputs[0] == graph.layers[1].inputs[1]


def test_float_ends_are_layers() -> None:
    def body(emit: Any, x: Any) -> Any:
        y = quantised(emit, emit(quantize(x, 0.5, 3)))
        return emit(dequantize(y, 0.25, -5))

    graph = lower(model(body, SHAPE))
    assert kinds(graph) == [Quantize, Conv2D, Dequantize]
    assert graph.layers[0].rounding == "even"  # type: ignore[attr-defined]
    assert graph.is_integer


def test_tflite_files_round_halves_away() -> None:
    source = model(lambda emit, x: emit(quantize(x, 0.5, 3)), SHAPE, source="m.tflite")
    assert only(lower(source)).rounding == "away"


def test_what_is_not_quantised_stays_float() -> None:
    """A convolution with float weights between quantised ones."""

    def body(emit: Any, x: Any) -> Any:
        y = emit(dequantize(quantised(emit, x), 0.25, -5))
        y = emit(conv(y, relax.const(np.ones((1, 1, 6, 5), np.float32))))
        return emit(quantize(y, 0.25, 0))

    graph = lower(model(body, SHAPE, dtype="int8"))
    assert kinds(graph) == [Conv2D, Dequantize, Conv2D, Quantize]
    assert not graph.is_integer
    second = graph.layers[2]
    assert isinstance(second, Conv2D) and second.requantize is None


@pytest.mark.parametrize("source", ["m.tflite", "m.onnx"])
def test_a_softmax_of_another_scale_is_rescaled_for_tflite(source: str) -> None:
    def body(emit: Any, x: Any) -> Any:
        y = emit(relax.op.nn.softmax(emit(dequantize(x, 0.1, 0)), axis=-1))
        return emit(quantize(y, 1 / 200, -100))

    graph = lower(model(body, SHAPE, dtype="int8", source=source))
    if source == "m.onnx":
        assert kinds(graph) == [Softmax]
        return
    assert kinds(graph) == [Softmax, Rescale]
    inner = graph.tensors[graph.layers[0].output].quant
    assert inner is not None and (inner.scale, inner.zero_point) == (1 / 256, -128)


def test_a_mean_has_its_count_in_the_factor() -> None:
    def body(emit: Any, x: Any) -> Any:
        y = emit(relax.op.mean(emit(dequantize(x, 0.5, 3)), [1, 2], keepdims=True))
        return emit(quantize(y, 0.25, 0))

    layer = only(lower(model(body, SHAPE, dtype="int8")))
    assert isinstance(layer, GlobalAveragePool) and layer.requantize is not None
    factor = layer.requantize.multiplier[0] * 2.0 ** (layer.requantize.shift[0] - 31)
    assert factor == pytest.approx(2 / 64, rel=1e-8)


# -- refusals that only lowering can see -----------------------------------------------------------


def test_an_operator_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(UnsupportedOperator) as caught:
        model(lambda emit, x: emit(relax.op.sigmoid(x)), SHAPE)
    assert str(caught.value) == (
        "m.onnx: Relax operator 'sigmoid' is not part of MobileNetV2; see the table of supported "
        "operators"
    )


def test_a_symbolic_shape_is_refused() -> None:
    from tvm import tirx

    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((1, tirx.Var("h", "int64"), 8, 4), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            y = builder.emit_output(relax.op.nn.relu(x))
        builder.emit_func_output(y)
    with pytest.raises(DynamicShape) as caught:
        read_relax(builder.get(), ("x",), "m.onnx")
    assert str(caught.value) == (
        "m.onnx: tensor 'x' has a dimension that is not a number: every shape must be known at "
        "compile time; export the model with a fixed shape"
    )


@pytest.mark.parametrize(("scale", "zero"), [(0.0, 0), (-1.0, 0), (math.nan, 0), (0.5, 300)])
def test_impossible_parameters_are_refused(scale: float, zero: int) -> None:
    source = model(lambda emit, x: emit(quantize(x, scale, zero)), SHAPE)
    assert "(must be above 0, and a value of int8)" in refused(source, ModelError)


def test_a_negative_weight_scale_is_refused() -> None:
    def body(emit: Any, x: Any) -> Any:
        weight = emit(dequantize(relax.const(INTEGERS), -0.1, 0))
        return emit(conv(x, weight))

    assert "has a scale that is negative or no number" in refused(model(body, SHAPE), ModelError)
