"""AVX2 and AVX-512 row kernels, run natively, against NumPy: int8 to the bit, float32 within
rounding."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.schedules import avx2, avx512
from tests.schedules.kernel_cases import FLOAT_CASES, INT8_CASES
from tests.schedules.kernel_harness import (
    MACHINES,
    layer_graph,
    random_inputs,
    reference,
    run_kernel,
)

FAMILIES = {"avx2": avx2, "vnni": avx512}
CPU_INFO = Path("/proc/cpuinfo")
CPU_FLAGS = set(CPU_INFO.read_text().split()) if CPU_INFO.exists() else set()
FLOAT_TOLERANCE = 4e-6
"""Relative to the largest output: sums of up to 128 products, each step rounded to 24 bits, against
float64."""


pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or "avx2" not in CPU_FLAGS, reason="this processor has no AVX2"
)


@pytest.fixture(autouse=True)
def compiler(require_tool: Callable[[str], str]) -> None:
    """Every test here compiles a program around the kernel."""
    require_tool("gcc")


def run_case(
    machine_name: str,
    case: dict[str, Any],
    dtype: str,
    folder: Path,
    decisions: dict[str, Any] | None = None,
    rows_per_step: int = 1,
    in_place: int | None = None,
) -> tuple[Any, Any]:
    if machine_name == "vnni" and not {"avx512_vnni", "avx512vbmi"} <= CPU_FLAGS:
        pytest.skip("this processor has no AVX-512 VNNI and VBMI")
    machine = MACHINES[machine_name]
    graph = layer_graph(case["kind"], dtype, **{k: v for k, v in case.items() if k != "kind"})
    layer = graph.layers[0]
    family = FAMILIES[machine_name]
    chosen = {**family.default(graph, layer, machine), **(decisions or {})}
    kernel = family.row_kernel(graph, layer, {}, machine, chosen, rows_per_step)
    assert kernel is not None
    inputs = random_inputs(graph)
    made = run_kernel(kernel, graph, inputs, {}, machine, folder, in_place)
    return made, reference(graph, inputs)


def assert_close(made: Any, expected: Any) -> None:
    np.testing.assert_allclose(
        made, expected, rtol=0, atol=FLOAT_TOLERANCE * np.abs(expected).max()
    )


@pytest.mark.parametrize("name", INT8_CASES)
@pytest.mark.parametrize("machine", ["avx2", "vnni"])
def test_int8_rows_are_tflites_to_the_bit(machine: str, name: str, tmp_path: Path) -> None:
    made, expected = run_case(machine, INT8_CASES[name], "int8", tmp_path)
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("name", FLOAT_CASES)
@pytest.mark.parametrize("machine", ["avx2", "vnni"])
def test_float32_rows_are_within_rounding(machine: str, name: str, tmp_path: Path) -> None:
    made, expected = run_case(machine, FLOAT_CASES[name], "float32", tmp_path)
    assert_close(made, expected)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("operand", [0, 1])
def test_the_residual_add_works_in_place(dtype: str, operand: int, tmp_path: Path) -> None:
    case = INT8_CASES["residual add, odd length"] | {"clamp": None}
    made, expected = run_case("avx2", case, dtype, tmp_path, in_place=operand)
    np.testing.assert_array_equal(made, expected.astype(made.dtype))


@pytest.mark.parametrize("machine", ["avx2", "vnni"])
@pytest.mark.parametrize("order", ["panel", "pixel"])
def test_several_rows_in_one_step(machine: str, order: str, tmp_path: Path) -> None:
    case = {"kind": "pointwise", "height": 6, "width": 7, "cin": 24, "cout": 40}
    made, expected = run_case(machine, case, "int8", tmp_path, {"order": order}, rows_per_step=3)
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize(
    ("machine", "dtype"), [("avx2", "int8"), ("avx2", "float32"), ("vnni", "int8")]
)
def test_every_decision_gives_the_same_numbers(machine: str, dtype: str, tmp_path: Path) -> None:
    for case in ("pointwise, channels and pixels with tails", "depthwise, stride 2 of TFLite"):
        kwargs = {k: v for k, v in INT8_CASES[case].items() if k != "kind"}
        graph = layer_graph(INT8_CASES[case]["kind"], dtype, **kwargs)
        space = FAMILIES[machine].space(graph, graph.layers[0], MACHINES[machine])
        smallest = {key: values[0] for key, values in space.items()}
        largest = {key: values[-1] for key, values in space.items()}
        for decisions in (smallest, largest):
            made, expected = run_case(machine, INT8_CASES[case], dtype, tmp_path, decisions)
            if dtype == "int8":
                np.testing.assert_array_equal(made, expected)
            else:
                assert_close(made, expected)


def test_what_is_not_ours_is_left_to_others() -> None:
    machine = MACHINES["avx2"]
    few = layer_graph("pointwise", "int8", cin=16, cout=2)
    narrow = layer_graph("depthwise", "int8", cin=4)
    for graph in (few, narrow):
        layer = graph.layers[0]
        decisions = avx2.default(graph, layer, machine)
        assert avx2.row_kernel(graph, layer, {}, machine, decisions) is None


def test_default_decisions_lie_in_the_space() -> None:
    for name, family in FAMILIES.items():
        machine = MACHINES[name]
        for cases, dtype in ((INT8_CASES, "int8"), (FLOAT_CASES, "float32")):
            for case in cases.values():
                kwargs = {k: v for k, v in case.items() if k != "kind"}
                graph = layer_graph(case["kind"], dtype, **kwargs)
                layer = graph.layers[0]
                space = family.space(graph, layer, machine)
                default = family.default(graph, layer, machine)
                assert default.keys() == space.keys()
                for key, value in default.items():
                    assert value in space[key], (case, key, value)
