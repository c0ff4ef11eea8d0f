"""Any number of threads gives the same bytes: random networks, many repetitions, no data race."""

from __future__ import annotations

import ctypes
import itertools
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.check.compare import compare
from edgemnv2.memory import planner
from edgemnv2.ops import execute
from edgemnv2.ops.graph import Graph
from edgemnv2.target import load_target, missing_local_features
from tests.streaming.native_networks import run_whole
from tests.streaming.random_networks import random_graph, random_input
from tests.streaming.threaded_networks import (
    Pool,
    Threaded,
    build,
    prepare_threads,
    renamed,
    run_pool,
    wide_graph,
)

COUNTS = (2, 3, 4)
REPEAT = 20
SEEDS = range(4000, 4006)


@pytest.fixture(autouse=True)
def _hasty_planner(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("CHAIN_TRIES", 2), ("JOINT_TRIES", 3), ("REFINE_FACTOR", 1)):
        monkeypatch.setattr(planner, name, value)


def _networks(target_name: str, counts: tuple[int, ...] = COUNTS) -> list[Threaded]:
    target = load_target(target_name)
    graphs: list[Graph] = []
    for seed in SEEDS:
        graphs += [
            random_graph(seed, integer=True),
            wide_graph(seed, integer=True),
            wide_graph(seed, integer=False),
        ]
    chains = itertools.cycle(("blocks", "layers"))
    return [
        prepare_threads(graph, target, counts, chains=cut)
        for graph, cut in zip(graphs, chains, strict=False)
    ]


@pytest.mark.slow(ci=True)
def test_every_number_of_threads_gives_the_same_bytes(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("gcc")
    target = load_target("host")
    if missing_local_features(target):
        pytest.skip("this processor has no AVX2")
    networks = _networks("host")
    kinds = {s.kind for one in networks for t in one.threads for s in t.program.stages}
    units = {
        step.unit
        for one in networks
        for t in one.threads
        for stage in t.program.stages
        for steps in stage.steps
        for step in steps
    }
    # The sample is worth something: it has every kind of stage and of part.
    assert kinds == {"bands", "split", "serial"} and units == {"rows", "pixels", "channels"}
    library = ctypes.CDLL(str(build(networks, tmp_path, target)))
    for index, one in enumerate(networks):
        graph = one.network.graph
        x = random_input(graph, index)
        alone = run_whole(library, index, one.network, x)
        expected = execute.run(graph, x, keep=False)[graph.outputs[0]]
        assert compare(expected, alone[None]).passed, graph.name
        for count in (1, *COUNTS):
            with Pool(library, index, count) as pool:
                assert pool.status == 0
                for _ in range(REPEAT):
                    together = run_pool(library, index, one, pool, x)
                    # Bytes, not values: floats must not differ in a bit either.
                    assert together.tobytes() == alone.tobytes(), (graph.name, count)


def test_what_cannot_run_is_refused_by_status(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("gcc")
    target = load_target("host")
    one = prepare_threads(wide_graph(4000, integer=True), target, (2,))
    library = ctypes.CDLL(str(build([one], tmp_path, target)))
    assert Pool(library, 0, 3).status == -6
    assert Pool(library, 0, 0).status == -6
    assert library["net0_pool_start"](None, 2) == -1
    assert library["net0_pool_stop"](None) == -1
    run = library["net0_run_threads"]
    pointer = ctypes.c_void_p(np.zeros(64).ctypes.data)
    pair = (ctypes.c_void_p * 1)(pointer)
    with Pool(library, 0, 2) as pool:
        assert run(None, ctypes.byref(pair), pointer, pool.address) == -1
        odd = ctypes.c_void_p(pool.memory.ctypes.data // 64 * 64 + 1)
        assert run(ctypes.byref(pair), ctypes.byref(pair), odd, pool.address) == -2
        assert run(ctypes.byref(pair), ctypes.byref(pair), pointer, None) == -1
    # Stopped: like a pool that was never started.
    aligned = ctypes.c_void_p(pool.memory.ctypes.data // 64 * 64)
    assert run(ctypes.byref(pair), ctypes.byref(pair), aligned, pool.address) == -6


MAIN = """\
#include <stdio.h>
%PROTOTYPES%
int main(void) {
%CALLS%
    printf("all equal\\n");
    return 0;
}
"""
CHECK = """\
#include "net%I%.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static unsigned char input[NET_INPUT_BYTES] __attribute__((aligned(64)));
static unsigned char alone[NET_OUTPUT_BYTES] __attribute__((aligned(64)));
static unsigned char together[NET_OUTPUT_BYTES] __attribute__((aligned(64)));
static unsigned char memory[NET_THREADS_ARENA_BYTES] __attribute__((aligned(64)));
static struct net_pool pool;
void check_%I%(int32_t threads);
void check_%I%(int32_t threads) {
    const struct net_inputs in = {(const void *)input};
    struct net_outputs out = {(void *)alone};
    for (unsigned i = 0; i < sizeof input; i++) input[i] = (unsigned char)(i * 7 % 61);
    if (net_run(&in, &out, memory) != 0) abort();
    out.output = (void *)together;
    if (net_pool_start(&pool, threads) != 0) abort();
    for (int i = 0; i < %REPEAT%; i++) {
        memset(together, 0x55, sizeof together);
        if (net_run_threads(&in, &out, memory, &pool) != 0) abort();
        if (memcmp(alone, together, sizeof together) != 0) {
            printf("network %I% differs with %ld threads\\n", (long)threads);
            exit(1);
        }
    }
    net_pool_stop(&pool);
}
"""


def _programs(count: int, repeat: int, counts: tuple[int, ...]) -> dict[str, str]:
    """A program that runs every network with every number of threads, again and again."""
    files = {
        f"check{i}.c": renamed(i) + CHECK.replace("%I%", str(i)).replace("%REPEAT%", str(repeat))
        for i in range(count)
    }
    prototypes = [f"void check_{i}(int threads);" for i in range(count)]
    calls = [f"    check_{i}({threads});" for i in range(count) for threads in counts]
    files["main.c"] = MAIN.replace("%PROTOTYPES%", "\n".join(prototypes)).replace(
        "%CALLS%", "\n".join(calls)
    )
    return files


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize("target_name", ["rpi4", "rpi3-32"])
def test_threads_under_the_emulator(
    target_name: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    target = load_target(target_name)
    arm64 = target.cpu.isa == "aarch64"
    require_tool("aarch64-linux-gnu-gcc" if arm64 else "arm-linux-gnueabihf-gcc")
    emulator = require_tool("qemu-aarch64" if arm64 else "qemu-arm")
    networks = _networks(target_name)[:9]
    program = build(
        networks, tmp_path, target, ["-static"], _programs(len(networks), 10, (1, *COUNTS))
    )
    command = [emulator, "-cpu", target.machine, str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "all equal\n"), done.stderr[-2000:]


@pytest.mark.slow(ci=True)
def test_thread_sanitizer_finds_no_race(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    """Step loop and pool are instrumented; kernels, which only touch what steps give them, not.

    That they stay apart is what `find_thread_fault` proves for every plan.
    """
    require_tool("gcc")
    target = load_target("host")
    if missing_local_features(target):
        pytest.skip("this processor has no AVX2")
    networks = _networks("host")[:6]
    flags = ["-fsanitize=thread", "-g", "-fno-pie", "-no-pie"]
    try:
        program = build(networks, tmp_path, target, flags, _programs(len(networks), 30, COUNTS))
    except AssertionError as error:
        if "libtsan" in str(error):
            pytest.skip("libtsan is not installed")
        raise
    done = subprocess.run(
        # Without address randomisation, which older sanitizers cannot cope with.
        ["setarch", os.uname().machine, "-R", str(program)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "all equal\n"), done.stderr[-3000:]
