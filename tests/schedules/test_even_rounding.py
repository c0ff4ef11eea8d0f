"""Vector kernels with ONNX's one rounding, halves to even, against NumPy to the bit."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.schedules import avx2, avx512, neon
from tests.schedules.even_rounding import KINDS, expected, with_even_rounding
from tests.schedules.kernel_cases import INT8_CASES
from tests.schedules.kernel_harness import MACHINES, layer_graph, random_inputs, run_kernel

CASES = {name: case for name, case in INT8_CASES.items() if "once" not in name}
SOME = (
    "pointwise, channels and pixels with tails",
    "pointwise without relu",
    "classifier",
    "depthwise, narrow and odd",
    "depthwise, stride 2 of torch, odd width",
    "stem of uint8",
    "residual add, odd length",
)
FAMILIES: dict[str, Any] = {"avx2": avx2, "vnni": avx512}
CPU_INFO = Path("/proc/cpuinfo")
CPU_FLAGS = set(CPU_INFO.read_text().split()) if CPU_INFO.exists() else set()


def run_case(machine_name: str, name: str, kind: str, folder: Path) -> None:
    family = FAMILIES.get(machine_name, neon)
    machine = MACHINES[machine_name]
    case = dict(CASES[name])
    graph = with_even_rounding(layer_graph(case.pop("kind"), "int8", **case), kind)
    layer = graph.layers[0]
    decisions = family.default(graph, layer, machine)
    kernel = family.row_kernel(graph, layer, {}, machine, decisions, 1)
    assert kernel is not None
    inputs = random_inputs(graph)
    made = run_kernel(kernel, graph, inputs, {}, machine, folder)
    np.testing.assert_array_equal(made, expected(graph, inputs))


def pairs() -> list[tuple[str, str]]:
    return [(name, kind) for name in CASES for kind in KINDS if kind == "free" or name in SOME]


@pytest.mark.skipif(
    platform.machine() != "x86_64" or "avx2" not in CPU_FLAGS, reason="this processor has no AVX2"
)
@pytest.mark.parametrize(("name", "kind"), pairs())
@pytest.mark.parametrize("machine", ["avx2", "vnni"])
def test_avx_rows_round_to_even(
    machine: str, name: str, kind: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("gcc")
    if machine == "vnni" and not {"avx512_vnni", "avx512vbmi"} <= CPU_FLAGS:
        pytest.skip("this processor has no AVX-512 VNNI and VBMI")
    run_case(machine, name, kind, tmp_path)


@pytest.mark.parametrize(("name", "kind"), pairs())
@pytest.mark.parametrize(
    "machine", [pytest.param("a53", marks=pytest.mark.slow(ci=True)), "a76", "armv7"]
)
def test_neon_rows_round_to_even(
    machine: str, name: str, kind: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool(MACHINES[machine].compiler[0])
    require_tool(MACHINES[machine].emulator[0])
    run_case(machine, name, kind, tmp_path)
