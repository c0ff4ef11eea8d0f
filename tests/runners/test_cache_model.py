"""The cache model: known access patterns miss what they must, figures repeat exactly."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.benchmark.latency import random_sample
from edgemnv2.benchmark.locality import compare_chains, locality, locality_text
from edgemnv2.errors import UsageError
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.runners.cache_model import KINDS, Misses, run_in_cache_model
from edgemnv2.runners.insn_plugin import built_plugin
from edgemnv2.runners.qemu_user import QemuUserRunner, find_qemu_user

RequireTool = Callable[[str], None]
LINE = 64
PROGRAM = """
#include <stdint.h>
static volatile uint8_t arena[1 << 20] __attribute__((aligned(4096)));
__attribute__((noinline)) void edgemnv2_mark(void) { __asm__ volatile("" ::: "memory"); }
int main(void) {
    for (int repeat = 0; repeat < 2; repeat++) {
        edgemnv2_mark();
        for (int pass = 0; pass < PASSES; pass++)
            for (long at = 0; at < SIZE; at += STEP)
                WHAT;
        edgemnv2_mark();
    }
    return 0;
}
"""
READ, WRITE = "(void)arena[at]", "arena[at] = 1"


def patterns(
    folder: Path, size: int, what: str, step: int = LINE, passes: int = 2, l1_ways: int = 4
) -> tuple[Misses, Misses]:
    """Of the array, first and second time: L1 32 KiB, L2 128 KiB 8-way."""
    source, program = folder / "p.c", folder / "p"
    source.write_text(PROGRAM)
    macros = [f"-DSIZE={size}", f"-DSTEP={step}", f"-DPASSES={passes}", f"-DWHAT={what}"]
    command = ["gcc", "-O1", "-static", "-no-pie", *macros, str(source), "-o", str(program)]
    subprocess.run(command, check=True)
    symbols = {
        line.split()[2]: int(line.split()[0], 16)
        for line in subprocess.run(
            ["nm", str(program)], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        if len(line.split()) == 3
    }
    start = symbols["arena"]
    (folder / "ranges.txt").write_text(f"{start:x} {start + (1 << 20):x} 2\n")
    emulator = find_qemu_user("x86_64", counting=True)
    source = Path(__file__).parents[2] / "edgemnv2" / "runtime" / "cache_plugin.c"
    options = [
        str(built_plugin(emulator, source)),
        f"mark={symbols['edgemnv2_mark']:x}",
        f"ranges={folder / 'ranges.txt'}",
        f"out={folder / 'out.txt'}",
        f"line={LINE},l1=32768,l1_ways={l1_ways},l2=131072,l2_ways=8,l2_cores=1",
    ]
    subprocess.run([emulator, "-plugin", ",".join(options), str(program)], check=True)
    lines = (folder / "out.txt").read_text().splitlines()
    assert len(lines) == 2
    found = [Misses(*[int(word) for word in line.split()[8:16]]) for line in lines]
    return found[0], found[1]


@pytest.fixture(autouse=True)
def _tools(require_tool: RequireTool) -> None:
    for tool in ("gcc", "nm", "qemu-x86_64", "qemu-aarch64", "aarch64-linux-gnu-gcc"):
        require_tool(tool)


def test_what_fits_is_missed_once_and_never_again(tmp_path: Path) -> None:
    cold, warm = patterns(tmp_path, 16384, READ)
    assert cold == Misses(loads=512, l1_load_misses=256, l2_load_misses=256)
    assert warm == Misses(loads=512)


def test_a_loop_over_twice_the_cache_misses_every_line_every_time(tmp_path: Path) -> None:
    cold, warm = patterns(tmp_path, 65536, READ)
    assert cold == Misses(loads=2048, l1_load_misses=2048, l2_load_misses=1024)
    assert warm == Misses(loads=2048, l1_load_misses=2048)


def test_bytes_of_one_line_are_missed_together(tmp_path: Path) -> None:
    cold, _ = patterns(tmp_path, 4096, READ, step=1, passes=1)
    assert cold == Misses(loads=4096, l1_load_misses=64, l2_load_misses=64)


def test_written_lines_are_fetched_and_written_back_when_they_leave(tmp_path: Path) -> None:
    cold, warm = patterns(tmp_path, 262144, WRITE, passes=1)
    lines, stack = 4096, 2
    for run in (cold, warm):
        assert run.stores == run.l1_store_misses == run.l2_store_misses == lines
    # At the end 512 lines are dirty in L1, which L2 holds too, and the 1536 before them in L2.
    assert 0 <= cold.l1_written_back - (lines - 512) <= stack
    assert 0 <= cold.l2_written_back - (lines - 2048) <= stack
    assert abs(warm.l1_written_back - lines) <= stack
    assert abs(warm.l2_written_back - lines) <= stack


@pytest.mark.parametrize(("ways", "missed"), [(4, 0), (2, 8)])
def test_lines_of_one_set_need_as_many_ways(tmp_path: Path, ways: int, missed: int) -> None:
    # Four lines 16 KiB apart lie in one set of either cache.
    _, warm = patterns(tmp_path, 65536, READ, step=16384, l1_ways=ways)
    assert warm.l1 == missed


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("cache") / "net"
    return compile_model("mobilenetv2-0.35-96-int8", "rpi4", folder, CompileOptions(threads=2))


@pytest.mark.slow(ci=True)
def test_instructions_are_those_of_the_counting_plugin(artifact) -> None:
    sample = random_sample(artifact, 0)
    counted = QemuUserRunner().run(artifact, [sample], repeat=1)
    run = run_in_cache_model(artifact, sample)
    # The mark itself lies on other sides of the two counts.
    assert abs(run.instructions[0] - counted.values[0]) < 10
    (output,) = run.outputs.values()
    assert (output == counted.outputs[0]).all()
    accesses = {kind: run.kinds[kind].loads for kind in KINDS}
    assert min(accesses["weights"], accesses["arena"], accesses["image"]) > 10_000


def test_all_weights_and_the_image_fit_behind_l2_and_are_missed_at_most_once(artifact) -> None:
    figures = locality(artifact)
    constants = artifact.manifest.constants_bytes
    assert figures.l2_missed_bytes["weights"] <= constants + LINE
    assert figures.l1_missed_bytes["weights"] >= 0.9 * constants - 32768
    assert figures.memory_bytes == figures.l2_missed_bytes["all"] + figures.written_back_bytes


def test_figures_of_threads_do_not_depend_on_how_they_ran(artifact) -> None:
    once, again = locality(artifact, 2), locality(artifact, 2)
    assert once.threads == 2
    for level in ("l1_missed_bytes", "l2_missed_bytes"):
        for kind in ("weights", "arena", "image"):
            a, b = getattr(once, level)[kind], getattr(again, level)[kind]
            assert abs(a - b) <= 0.001 * max(a, b) + 4 * LINE, (level, kind)
    alone = locality(artifact)
    assert alone.instructions < once.instructions < 1.1 * alone.instructions
    assert once.busiest_thread_instructions < 0.6 * alone.instructions


@pytest.mark.slow(ci=True)
def test_streaming_misses_fewer_bytes_in_l2_than_layer_by_layer() -> None:
    blocks, layers = compare_chains("mobilenetv2-0.5-160-int8", "rpi3", ways=("blocks", "layers"))
    assert (blocks.chains, layers.chains) == ("blocks", "layers")
    assert blocks.memory_bytes < 0.9 * layers.memory_bytes
    assert abs(blocks.instructions - layers.instructions) < 0.01 * layers.instructions
    table = locality_text([blocks, layers]).splitlines()
    assert len(table) == 3 and "layers" in table[-1]


def test_a_target_without_caches_is_refused(tmp_path: Path) -> None:
    net = compile_model("mobilenetv2-0.35-96-int8", "mps2-an386", tmp_path / "net")
    with pytest.raises(UsageError, match="mps2-an386 has no L1 and L2 to model"):
        run_in_cache_model(net, random_sample(net, 0))
