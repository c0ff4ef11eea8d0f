"""NEON row kernels under qemu-user, against NumPy: int8 to the bit, float32 within rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.arithmetic.fixed_point import make_requantize
from edgemnv2.ops.graph import Graph
from edgemnv2.schedules import neon
from edgemnv2.schedules.halves import span_of
from edgemnv2.schedules.integer import folded_bias
from edgemnv2.schedules.neon.gemm import block_pixels
from edgemnv2.schedules.neon.held_gemm import HELD, holds
from edgemnv2.schedules.neon.isa import isa_of
from edgemnv2.schedules.neon.requantize import Int8Epilogue
from edgemnv2.schedules.neon.sdot_depthwise import pack_dot_weights
from tests.schedules.kernel_cases import FLOAT_CASES, INT8_CASES, TORCH_STRIDE_2
from tests.schedules.kernel_harness import (
    MACHINES,
    layer_graph,
    random_inputs,
    reference,
    run_kernel,
)

FLOAT_TOLERANCE = 4e-6
"""Relative to the largest output: sums of up to 128 products, each step rounded to 24 bits, against
float64."""

FLOAT16_TOLERANCE = 5e-3
"""Relative to the largest output: sums of up to 128 products, rounded to 11 bits after each one;
from 128 products on only within 64, see `FloatGemm.chunked`."""


@pytest.fixture
def tools(require_tool: Callable[[str], str]) -> Callable[[str], None]:
    def need(machine: str) -> None:
        require_tool(MACHINES[machine].compiler[0])
        require_tool(MACHINES[machine].emulator[0])

    return need


def run_case(
    machine_name: str,
    case: dict[str, Any],
    dtype: str,
    folder: Path,
    decisions: dict[str, Any] | None = None,
    rows_per_step: int = 1,
    in_place: int | None = None,
) -> tuple[Any, Any]:
    machine = MACHINES[machine_name]
    graph = layer_graph(case["kind"], dtype, **{k: v for k, v in case.items() if k != "kind"})
    layer = graph.layers[0]
    chosen = {**neon.default(graph, layer, machine), **(decisions or {})}
    kernel = neon.row_kernel(graph, layer, {}, machine, chosen, rows_per_step)
    assert kernel is not None
    inputs = random_inputs(graph)
    made = run_kernel(kernel, graph, inputs, {}, machine, folder, in_place)
    return made, reference(graph, inputs)


def assert_close(made: Any, expected: Any, relative: float = FLOAT_TOLERANCE) -> None:
    tolerance = relative * np.abs(expected).max()
    np.testing.assert_allclose(made, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", INT8_CASES)
@pytest.mark.parametrize("machine", ["a53", "a72", "a76", "armv7"])
def test_int8_rows_are_tflites_to_the_bit(
    machine: str, name: str, tmp_path: Path, tools: Callable[[str], None]
) -> None:
    tools(machine)
    made, expected = run_case(machine, INT8_CASES[name], "int8", tmp_path)
    np.testing.assert_array_equal(made, expected)


def _of_size(largest: float, form: dict[str, Any]) -> tuple[Graph, Any]:
    """A layer whose greatest requantised sum is about `largest`."""
    graph = layer_graph("pointwise", "int8", width=9, cin=20, cout=24, **form)
    layer = graph.layers[0]
    assert layer.requantize is not None
    zero = graph.tensors["x"].quant.zero_point
    weight = layer.weight[0, 0]
    span = span_of(weight, folded_bias(layer.bias, weight, zero))
    factors = largest / np.maximum(-span[0], span[1])
    layer = replace(layer, requantize=make_requantize(list(np.minimum(factors, 0.999))))
    return replace(graph, layers=(layer,)), span


FORMS = [
    {"relu": True},
    {"relu": True, "zero_out": -100, "clamp": (-90, 90)},
    {"relu": False, "zero_out": 100},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("largest", [31_990.0, 40_000.0])
@pytest.mark.parametrize("machine", ["a53", "a72", "a76"])
def test_sums_are_narrowed_without_saturation_only_where_they_fit(
    machine: str,
    largest: float,
    form: dict[str, Any],
    tmp_path: Path,
    tools: Callable[[str], None],
) -> None:
    """Inputs reach both ends of the span: there a sum that is cut off would change its sign."""
    tools(machine)
    graph, span = _of_size(largest, form)
    layer = graph.layers[0]
    isa = isa_of(MACHINES[machine])
    zero_out = graph.tensors["y"].quant.zero_point
    epilogue = Int8Epilogue.of(isa, layer.requantize, zero_out, layer.clamp, span)
    assert epilogue is not None
    assert (epilogue.short or epilogue.cut_line is not None) == (largest < 32_000)
    chosen = neon.default(graph, layer, MACHINES[machine])
    kernel = neon.row_kernel(graph, layer, {}, MACHINES[machine], chosen, 1)
    assert kernel is not None
    inputs = random_inputs(graph)
    positive = layer.weight[0, 0, :, :9].T > 0
    for pixel, signs in enumerate(positive):
        # One channel's greatest sum, and its least in the row below.
        inputs[0][0, pixel] = np.where(signs, 127, -128)
        inputs[0][1, pixel] = np.where(signs, -128, 127)
    made = run_kernel(kernel, graph, inputs, {}, MACHINES[machine], tmp_path)
    np.testing.assert_array_equal(made, reference(graph, inputs))


@pytest.mark.parametrize("name", FLOAT_CASES)
@pytest.mark.parametrize("machine", ["a72", "a76", "armv7"])
def test_float32_rows_are_within_rounding(
    machine: str, name: str, tmp_path: Path, tools: Callable[[str], None]
) -> None:
    tools(machine)
    made, expected = run_case(machine, FLOAT_CASES[name], "float32", tmp_path)
    assert_close(made, expected)


@pytest.mark.parametrize("name", FLOAT_CASES)
def test_float16_rows_are_within_the_stated_accuracy(
    name: str, tmp_path: Path, tools: Callable[[str], None]
) -> None:
    tools("a76")
    made, expected = run_case("a76", FLOAT_CASES[name], "float16", tmp_path)
    assert_close(made.astype(np.float64), expected.astype(np.float64), FLOAT16_TOLERANCE)


def test_deep_float16_sums_do_not_lose_accuracy(
    tmp_path: Path, tools: Callable[[str], None]
) -> None:
    tools("a76")
    case = {"kind": "pointwise", "height": 2, "width": 7, "cin": 972, "cout": 32, "relu": False}
    made, expected = run_case("a76", case, "float16", tmp_path)
    assert_close(made.astype(np.float64), expected.astype(np.float64), FLOAT16_TOLERANCE)


def test_the_float16_stem_takes_a_float32_image(
    tmp_path: Path, tools: Callable[[str], None]
) -> None:
    tools("a76")
    case = FLOAT_CASES["stem of torch, odd width"] | {"source_dtype": "float32"}
    made, expected = run_case("a76", case, "float16", tmp_path)
    assert_close(made.astype(np.float64), expected.astype(np.float64), FLOAT16_TOLERANCE)


@pytest.mark.parametrize("dtype", ["int8", "float32", "float16"])
@pytest.mark.parametrize("operand", [0, 1])
def test_the_residual_add_works_in_place(
    dtype: str, operand: int, tmp_path: Path, tools: Callable[[str], None]
) -> None:
    machine = "a76" if dtype == "float16" else "a72"
    tools(machine)
    case = INT8_CASES["residual add, odd length"] | {"clamp": None}
    made, expected = run_case(machine, case, dtype, tmp_path, in_place=operand)
    np.testing.assert_array_equal(made, expected.astype(made.dtype))


@pytest.mark.parametrize("machine", ["a72", "a76"])
@pytest.mark.parametrize("order", ["panel", "pixel", "block"])
def test_several_rows_in_one_step(
    machine: str, order: str, tmp_path: Path, tools: Callable[[str], None]
) -> None:
    tools(machine)
    case = {"kind": "pointwise", "height": 6, "width": 7, "cin": 24, "cout": 40}
    made, expected = run_case(machine, case, "int8", tmp_path, {"order": order}, rows_per_step=3)
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize(
    ("machine", "dtype"), [("a72", "int8"), ("a76", "int8"), ("a72", "float32")]
)
def test_every_decision_gives_the_same_numbers(
    machine: str, dtype: str, tmp_path: Path, tools: Callable[[str], None]
) -> None:
    tools(machine)
    for case in ("pointwise, channels and pixels with tails", "depthwise, stride 2 of TFLite"):
        kwargs = {k: v for k, v in INT8_CASES[case].items() if k != "kind"}
        graph = layer_graph(INT8_CASES[case]["kind"], dtype, **kwargs)
        space = neon.space(graph, graph.layers[0], MACHINES[machine])
        smallest = {key: values[0] for key, values in space.items()}
        # As many pixels as these no core holds.
        largest = {key: [v for v in values if v != HELD][-1] for key, values in space.items()}
        for decisions in (smallest, largest):
            made, expected = run_case(machine, INT8_CASES[case], dtype, tmp_path, decisions)
            if dtype == "int8":
                np.testing.assert_array_equal(made, expected)
            else:
                assert_close(made, expected)


@pytest.mark.parametrize("cout", [32, 30])
@pytest.mark.parametrize("relu", [True, False])
def test_long_float_sums_by_parts_are_the_same_sums(
    cout: int, relu: bool, tmp_path: Path, tools: Callable[[str], None]
) -> None:
    """Each sum is added up in one order, whether it waits in the output or in a register; with 30
    channels the last panel was moved back, and would be added twice."""
    tools("a72")
    case = {"kind": "pointwise", "height": 2, "width": 27, "cin": 384, "cout": cout, "relu": relu}
    whole, by_parts = (
        run_case("a72", case, "float32", tmp_path, {"order": order}, rows_per_step=2)
        for order in ("panel", "parts")
    )
    np.testing.assert_array_equal(by_parts[0], whole[0])
    assert_close(by_parts[0], by_parts[1])


@pytest.mark.parametrize("depth", [8, 16, 24, 32, 40, 37])
def test_sums_are_the_same_whether_steps_are_a_loop_or_written_out(
    depth: int, tmp_path: Path, tools: Callable[[str], None]
) -> None:
    """One to five steps of eight channels, and a rest: each core writes out others of them."""
    case = {"kind": "pointwise", "height": 2, "width": 11, "cin": depth, "cout": 36}
    made = []
    for name in ("a53", "a72", "a76"):
        tools(name)
        folder = tmp_path / name
        folder.mkdir()
        decisions = {"mr": 4, "nr": 16, "unroll": 8, "order": "panel"}
        values, expected = run_case(name, case, "float32", folder, decisions)
        assert_close(values, expected)
        made.append(values)
    np.testing.assert_array_equal(made[1], made[0])
    np.testing.assert_array_equal(made[2], made[0])


@pytest.mark.parametrize(("machine", "dtype"), [("a72", "float32"), ("a76", "float16")])
@pytest.mark.parametrize("cin", [4, 8, 16])
def test_windows_of_floats_are_read_after_they_are_gathered(
    machine: str, dtype: str, cin: int, tmp_path: Path, tools: Callable[[str], None]
) -> None:
    """The product reads the scratch that the same function writes."""
    tools(machine)
    case = {"kind": "conv2d", "width": 13, "height": 5, "cin": cin, "cout": 24, "stride": 2}
    made, expected = run_case(machine, case | {"padding": TORCH_STRIDE_2}, dtype, tmp_path)
    tolerance = FLOAT_TOLERANCE if dtype == "float32" else FLOAT16_TOLERANCE
    assert_close(made.astype(np.float64), expected.astype(np.float64), tolerance)


def test_int8_blocks_of_pixels_are_tflites_to_the_bit(
    tmp_path: Path, tools: Callable[[str], None]
) -> None:
    """48 pixels of 576 channels: two blocks in an L1."""
    tools("a72")
    case = {"kind": "pointwise", "height": 3, "width": 16, "cin": 576, "cout": 36}
    made, expected = run_case("a72", case, "int8", tmp_path, {"order": "block"}, rows_per_step=3)
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("depth", [4, 7, 16, 22, 24, 32, 43])
@pytest.mark.parametrize("machine", ["a53", "a72", "armv7"])
def test_pixels_in_registers_are_tflites_to_the_bit(
    machine: str, depth: int, tmp_path: Path, tools: Callable[[str], None]
) -> None:
    """As many pixels as there are registers for, tails of pixels, panels and depths."""
    tools(machine)
    registers = isa_of(MACHINES[machine]).registers
    most = max((m for m in range(1, 6) if holds(registers, depth, m)), default=0)
    if not most:
        pytest.skip("Armv7 has registers for 24 channels")
    case = {"kind": "pointwise", "height": 2, "width": 7, "cin": depth, "cout": 36}
    for mr, nr in ((1, 8), (most, 4)):
        decisions = {"order": HELD, "mr": mr, "nr": nr}
        folder = tmp_path / f"{mr}x{nr}"
        folder.mkdir()
        made, expected = run_case(machine, case, "int8", folder, decisions, rows_per_step=2)
        np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("kind", ["pointwise", "conv2d"])
def test_a_weight_of_minus_128_is_not_added_up_in_int16(
    kind: str, tmp_path: Path, tools: Callable[[str], None]
) -> None:
    """Two products of -128 and -128 are 32768: no pixel is held then, whatever a log says."""
    tools("a72")
    graph = layer_graph(kind, "int8", width=9, height=4, cin=3 if kind == "conv2d" else 16, cout=32)
    layer = graph.layers[0]
    layer = replace(layer, weight=np.full_like(layer.weight, -128))
    graph = replace(graph, layers=(layer,))
    decisions = neon.default(graph, layer, MACHINES["a72"])
    assert decisions["order"] == HELD
    kernel = neon.row_kernel(graph, layer, {}, MACHINES["a72"], decisions, 1)
    assert kernel is not None
    inputs = [np.full_like(each, -128) for each in random_inputs(graph)]
    made = run_kernel(kernel, graph, inputs, {}, MACHINES["a72"], tmp_path)
    np.testing.assert_array_equal(made, reference(graph, inputs))


def test_blocks_are_whole_tiles_of_about_equal_size() -> None:
    assert block_pixels(49, 2, 960) == 14
    assert block_pixels(49, 7, 384) == 28
    assert block_pixels(7, 7, 100_000) == 7
    assert block_pixels(10, 4, 1) == 12


@pytest.mark.parametrize("name", ["a53", "a72", "a76"])
def test_clamps_of_floats_take_infinities_and_either_nought(
    name: str, tmp_path: Path, tools: Callable[[str], None]
) -> None:
    """Weights of nought: sums are the biases. The A72's clamps are those of integers."""
    tools(name)
    machine = MACHINES[name]
    graph = layer_graph("pointwise", "float32")
    edges = [-np.inf, np.inf, -1.0, -0.0, 0.0, 1e-40, 5.5, 6.0, 6.5, -1e-40, 1e38, -1e38]
    bias = np.resize(np.array(edges, np.float32), 16)
    layer = replace(graph.layers[0], weight=np.zeros_like(graph.layers[0].weight), bias=bias)
    graph = replace(graph, layers=(layer,))
    kernel = neon.row_kernel(graph, layer, {}, machine, neon.default(graph, layer, machine), 1)
    assert kernel is not None
    made = run_kernel(kernel, graph, random_inputs(graph), {}, machine, tmp_path, None)
    np.testing.assert_array_equal(made, np.broadcast_to(np.clip(bias, 0, 6), made.shape))


@pytest.mark.parametrize("name", ["a72", "a76", "armv7"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("width", "cin"), [(31, 96), (15, 152), (9, 240)])
def test_blocks_of_a_depthwise_row_are_tflites_to_the_bit(
    name: str, stride: int, width: int, cin: int, tmp_path: Path, tools: Any
) -> None:
    """Three blocks of a row, by their bytes, of a width that no tile divides."""
    tools(name)
    case = {"kind": "depthwise", "width": width, "height": 3, "cin": cin, "stride": stride}
    made, expected = run_case(name, case, "int8", tmp_path, {"order": "block", "pixels": 2})
    np.testing.assert_array_equal(made, expected)


def test_weights_for_dot_products_are_three_taps_and_a_nought() -> None:
    weight = np.arange(72, dtype=np.int8).reshape(3, 3, 8)
    packed = pack_dot_weights(weight, [(0, 8)]).reshape(3, 8, 4)
    np.testing.assert_array_equal(packed[..., :3], weight.transpose(1, 2, 0))
    assert not packed[..., 3].any()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pixels", [1, 2, 4, 7, 14])
@pytest.mark.parametrize("order", ["channel", "pixel"])
def test_depthwise_by_dot_products_is_tflites_to_the_bit(
    order: str, pixels: int, stride: int, tmp_path: Path, tools: Callable[[str], None]
) -> None:
    tools("a76")
    case = {"kind": "depthwise", "height": 5, "width": 19, "cin": 20, "stride": stride}
    decisions = {"pixels": pixels, "order": order}
    made, expected = run_case("a76", case, "int8", tmp_path, decisions)
    np.testing.assert_array_equal(made, expected)


def test_what_is_not_ours_is_left_to_others() -> None:
    machine = MACHINES["a72"]
    few = layer_graph("pointwise", "int8", cin=16, cout=2)
    narrow = layer_graph("depthwise", "int8", cin=4)
    for graph in (few, narrow):
        layer = graph.layers[0]
        decisions = neon.default(graph, layer, machine)
        assert neon.row_kernel(graph, layer, {}, machine, decisions) is None


def test_default_decisions_lie_in_the_space() -> None:
    for machine in (MACHINES["a72"], MACHINES["a76"], MACHINES["armv7"]):
        for cases, dtype in ((INT8_CASES, "int8"), (FLOAT_CASES, "float32")):
            for case in cases.values():
                kwargs = {k: v for k, v in case.items() if k != "kind"}
                graph = layer_graph(case["kind"], dtype, **kwargs)
                layer = graph.layers[0]
                space = neon.space(graph, layer, machine)
                default = neon.default(graph, layer, machine)
                assert default.keys() == space.keys()
                for key, value in default.items():
                    assert value in space[key], (case, key, value)
