"""What compile writes, as text: the entry, the kernels, the header, the linker script."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemnv2.codegen.linker_script import linker_script
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.pipeline import CompileOptions, compile_graph
from edgemnv2.target import load_target
from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet
from tests.golden_files import Golden
from tests.tuner.tiny_network import tiny_network

# Without tuning logs: a golden shall change with the code that makes it, not with each tuning.
OPTIONS = CompileOptions(name="net", use_tune_logs=False)
BARE_METAL = ("cortex-m0plus", "mps2-an386", "mps3-an547")


@pytest.mark.parametrize("target", BARE_METAL)
def test_three_layers(target: str, tmp_path: Path, golden: Golden) -> None:
    """Stem, depthwise, pointwise: the entry and the kernels."""
    net = compile_graph(tiny_network(), load_target(target), tmp_path / "net", OPTIONS).path
    golden.check((net / "src" / "net.c").read_text(), ".c")
    golden.check((net / "src" / "net_kernels.c").read_text(), "_kernels.c")


def test_a_whole_network(tmp_path: Path, golden: Golden) -> None:
    """With residual additions, pool, classifier and softmax."""
    (tmp_path / "model.tflite").write_bytes(TinyMobilenet().build())
    graph = lower(load_model(tmp_path / "model.tflite"))
    net = compile_graph(graph, load_target("mps2-an386"), tmp_path / "net", OPTIONS).path
    golden.check((net / "src" / "net_kernels.c").read_text(), "_kernels.c")


@pytest.mark.parametrize("target", ["mps2-an386", "x86-64-v3"])
def test_the_header(target: str, tmp_path: Path, golden: Golden) -> None:
    net = compile_graph(tiny_network(), load_target(target), tmp_path / "net", OPTIONS).path
    golden.check((net / "include" / "net.h").read_text(), ".h")


@pytest.mark.parametrize("target", ["mps2-an386", "mps3-an547", "nucleo-h743zi", "rpi-pico"])
def test_the_linker_script(target: str, golden: Golden) -> None:
    """One region for all data, boards with separate regions, and the smallest one."""
    golden.check(linker_script(load_target(target)), ".ld")
