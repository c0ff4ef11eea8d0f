"""Random networks as WebAssembly in Node.js equal the reference, with SIMD and without."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.check.compare import compare
from edgemnv2.codegen.toolchain import find_compiler
from edgemnv2.memory import planner
from edgemnv2.memory.variants import CHAINS
from edgemnv2.ops import execute
from edgemnv2.runners.node import node_command
from edgemnv2.schedules import ScheduleOptions
from edgemnv2.target import load_target
from tests.streaming.native_networks import (
    NAME,
    Prepared,
    Variant,
    include_flags,
    prepare,
    write_sources,
)
from tests.streaming.random_networks import random_graph, random_input
from tests.usual import usual

BATCH = 8
# Beside the batches that always run, as many as make 300 integer networks with SIMD.
SLOW = [("wasm", True, 5000 + first) for first in range(BATCH, 38 * BATCH, BATCH)]
CASES = [
    ("wasm", True, 5000),
    ("wasm-plain", True, 6000),
    ("wasm", False, 7000),
    ("wasm-relaxed", False, 8000),
]
MAIN = """\
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct end { void *data; };
enum { FENCE = 64 };
static int failed;
static void run(int32_t (*net)(const struct end *, const struct end *, void *),
    size_t in_bytes, size_t out_bytes, size_t arena_bytes, FILE *in, FILE *out) {
  unsigned char *x = aligned_alloc(64, (in_bytes + 63) / 64 * 64);
  unsigned char *y = aligned_alloc(64, (out_bytes + 63) / 64 * 64);
  size_t room = FENCE + arena_bytes + FENCE;
  unsigned char *arena = aligned_alloc(64, (room + 63) / 64 * 64);
  struct end input = {x}, output = {y};
  size_t i;
  memset(arena, 0xA5, room);
  failed |= fread(x, in_bytes, 1, in) != 1;
  failed |= net(&input, &output, arena + FENCE) != 0;
  for (i = 0; i < FENCE; i++)
    failed |= arena[i] != 0xA5 || arena[FENCE + arena_bytes + i] != 0xA5;
  failed |= fwrite(y, out_bytes, 1, out) != 1;
}
%PROTOTYPES%
int main(void) {
  FILE *in = fopen("in.bin", "rb"), *out = fopen("out.bin", "wb");
%CALLS%
  fclose(out);
  return failed;
}
"""


@pytest.fixture(autouse=True)
def _hasty_planner(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long the planner searches changes the size of its plans, not whether they are right."""
    for name, value in (("CHAIN_TRIES", 2), ("JOINT_TRIES", 3), ("REFINE_FACTOR", 1)):
        monkeypatch.setattr(planner, name, value)


def run_all(
    networks: Sequence[Prepared], inputs: Sequence[Any], target_name: str, folder: Path
) -> list[Any]:
    """The outputs `[H, W, C]` of all networks, out of one program."""
    target = load_target(target_name)
    objects = write_sources(networks, folder, target)
    prototypes, calls = [], []
    for index, (network, x) in enumerate(zip(networks, inputs, strict=True)):
        out = network.graph.tensors[network.graph.outputs[0]]
        function = f"{NAME}{index}_run"
        prototypes.append(f"int32_t {function}(const struct end *, const struct end *, void *);")
        sizes = (x.nbytes, out.size_bytes, network.parts.interface.arena_bytes)
        calls.append(f"  run({function}, {', '.join(map(str, sizes))}, in, out);")
    text = MAIN.replace("%PROTOTYPES%", "\n".join(prototypes))
    (folder / "main.c").write_text(text.replace("%CALLS%", "\n".join(calls)))
    compiler = find_compiler(target)
    command = [*compiler.command, "cc", "-target", "wasm32-wasi", "-mcpu=generic", "-O0"]
    command += ["-fno-sanitize=all", *include_flags(folder)]
    command += sorted(str(path) for path in folder.glob("*.c"))
    program = folder / "networks.wasm"
    done = subprocess.run([*command, *objects, "-o", str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "in.bin").write_bytes(b"".join(x.tobytes() for x in inputs))
    launch = [*node_command(target), str(program)]
    ran = subprocess.run(launch, cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    data, outputs = (folder / "out.bin").read_bytes(), []
    for network in networks:
        out = network.graph.tensors[network.graph.outputs[0]]
        outputs.append(np.frombuffer(data[: out.size_bytes], out.dtype).reshape(out.shape))
        data = data[out.size_bytes :]
    assert not data
    return outputs


def check_batch(target_name: str, integer: bool, first: int, folder: Path) -> None:
    networks, inputs = [], []
    for seed in range(first, first + BATCH):
        rows = (0, 5, 14)[seed % 3]
        options = ScheduleOptions(whole_rows_max=rows)
        variant = Variant(load_target(target_name), options, "caller", CHAINS[seed % 3], 64)
        networks.append(prepare(random_graph(seed, integer=integer), variant))
        inputs.append(np.ascontiguousarray(random_input(networks[-1].graph, seed)))
    outputs = run_all(networks, inputs, target_name, folder)
    for network, x, actual in zip(networks, inputs, outputs, strict=True):
        graph = network.graph
        expected = execute.run(graph, x, keep=False)[graph.outputs[0]]
        found = compare(expected, actual[None])
        exact = integer and graph.tensors[graph.outputs[0]].dtype != "float32"
        assert found.exact if exact else found.passed, (graph.name, found)


@pytest.mark.parametrize(("target_name", "integer", "first"), usual(CASES, CASES[:2]))
def test_random_networks_in_node_equal_the_reference(
    target_name: str,
    integer: bool,
    first: int,
    tmp_path: Path,
    require_tool: Callable[[str], str],
) -> None:
    require_tool("node")
    check_batch(target_name, integer, first, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("target_name", "integer", "first"), SLOW)
def test_three_hundred_random_networks_equal_the_reference(
    target_name: str, integer: bool, first: int, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("node")
    check_batch(target_name, integer, first, tmp_path)
