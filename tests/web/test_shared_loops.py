"""Inner loops of WebAssembly are functions that layers share, so that a browser is soon done."""

from __future__ import annotations

import pytest

from edgemnv2.codegen.llvm import named
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.pipeline import lower_source
from edgemnv2.schedules import ScheduleOptions, schedule_graph
from edgemnv2.target import load_target

LOOPED = ("pointwise", "depthwise", "conv2d")


def kernels_of(source: str) -> dict[str, RowKernel]:
    graph = lower_source(source)
    kernels = schedule_graph(graph, load_target("wasm"), ScheduleOptions()).kernels
    ops = {layer.name: layer.op for layer in graph.layers}
    return {name: kernel for name, kernel in kernels.items() if ops.get(name) in LOOPED}


@pytest.mark.parametrize("source", ["mobilenetv2-0.35-96-int8", "mobilenetv2-0.35-96"])
def test_layers_share_their_loops(source: str) -> None:
    kernels = kernels_of(source)
    shared: dict[str, str] = {}
    for kernel in kernels.values():
        assert kernel.code is not None
        assert kernel.schedule == "fallback" or kernel.code.calls
        for symbol, function in kernel.code.calls.items():
            # One name, one code, whichever layer brings it.
            assert shared.setdefault(symbol, function.script()) == function.script()
    calls = sum(len(kernel.code.calls) for kernel in kernels.values() if kernel.code)
    assert 2 * len(shared) < calls
    # What a layer has for itself are loops around calls, but the stem's gathering.
    own = [f.script() for name, f in named(kernels, "net").items() if "conv2d" not in name]
    assert not [text for text in own if "llvm" in text or "multiply" in text]


def test_int8_layers_of_all_depths_share_one_loop() -> None:
    kernels = kernels_of("mobilenetv2-1.0-224-int8")
    loops = [name for k in kernels.values() if k.code for name in k.code.calls if "sums" in name]
    # Tiles of four pixels and of fewer, one pixel, and the stem, whose pixels lie otherwise.
    assert len(loops) > 40 and len(set(loops)) <= 5
