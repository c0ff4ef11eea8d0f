"""The C of two cores: what it asks of the core and of the program, and its status codes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.toolchain import compile_object
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.target import load_target
from tests.usual import usual

MODEL = "mobilenetv2-0.35-32-int8"
Need = Callable[[str], str]


@pytest.fixture(scope="module", params=usual(["arena", "caller"], ["arena"]))
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("cores") / "net"
    return compile_model(MODEL, "rpi-pico", folder, CompileOptions(threads=2, io=request.param))


def undefined(objects: list[Path], nm: str) -> set[str]:
    """What the objects together leave to others."""
    listing = subprocess.run([nm, *map(str, objects)], capture_output=True, text=True).stdout
    words = [line.split() for line in listing.splitlines() if line and not line.endswith(":")]
    needed = {word[-1] for word in words if word[-2] == "U"}
    return needed - {word[-1] for word in words if word[-2] != "U"}


def test_nothing_is_asked_of_armv6_m_that_it_does_not_have(
    artifact: Artifact, tmp_path: Path, require_tool: Need
) -> None:
    """No atomic operations, which gcc would call functions for, no futex, no threads."""
    require_tool("arm-none-eabi-gcc")
    objects = []
    for source in artifact.files("src", ".c"):
        objects.append(tmp_path / f"{source.stem}.o")
        compile_object(
            artifact.target, source, objects[-1], [f"-I{artifact.path / 'include'}", "-O3"]
        )
    allowed = {"memset", "memcpy", "memmove"}
    for name in undefined(objects, "arm-none-eabi-nm") - allowed:
        # Arithmetic of 64 bits and divisions, from the compiler's own library.
        assert re.fullmatch(r"__aeabi_\w+|__gnu_thumb1_case_\w+|\w*float\w*|exp|sqrt", name), name


HOST = """
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include "@NET@.h"
#include "edgemnv2_cores.h"

#ifdef TWO
static pthread_t other;
static struct { void (*work)(void *); void *context; } job;
static void *run(void *unused) { (void)unused; job.work(job.context); return NULL; }
int32_t edgemnv2_core_start(void (*work)(void *), void *context) {
    job.work = work;
    job.context = context;
    return pthread_create(&other, NULL, run, NULL);
}
void edgemnv2_core_wait(void) { sched_yield(); }
void edgemnv2_core_wake(void) {}
#endif

static uint64_t arena[@UP@_THREADS_ARENA_BYTES / 8 + 1];
static @UP@_INPUT_TYPE in[@UP@_INPUT_BYTES / sizeof(@UP@_INPUT_TYPE)];
static @UP@_OUTPUT_TYPE out[2][@UP@_OUTPUT_BYTES / sizeof(@UP@_OUTPUT_TYPE)];

int main(void) {
    struct @NET@_pool pool;
    const struct @NET@_inputs inputs = {in};
    const struct @NET@_outputs one = {out[0]}, two = {out[1]};
    int32_t status;
    int round, same = 1;
    printf("%d %d %d ", @NET@_pool_start(NULL, 2), @NET@_pool_start(&pool, 3),
           @NET@_pool_stop(NULL));
    status = @NET@_pool_start(&pool, 2);
    printf("%d ", status);
    if (status != 0) return 0;
    printf("%d %d ", @NET@_run_threads(NULL, &one, arena, &pool),
           @NET@_run_threads(&inputs, &one, (char *)arena + 1, &pool));
    for (round = 0; round < 20; round++) {
        size_t i;
        for (i = 0; i < sizeof in; i++)
            ((unsigned char *)in)[i] = (unsigned char)(i * 7 + round * 13);
        if (@NET@_run(&inputs, &one, arena) != 0) return 1;
        memset(arena, 0xA5, sizeof arena);
        if (@NET@_run_threads(&inputs, &two, arena, &pool) != 0) return 1;
        same &= memcmp(out[0], out[1], sizeof out[0]) == 0;
    }
    printf("%d %d ", same, @NET@_pool_stop(&pool));
    printf("%d ", @NET@_run_threads(&inputs, &two, arena, &pool));
#ifdef TWO
    pthread_join(other, NULL);
#endif
    printf("%d ", @NET@_pool_start(&pool, 1));
    printf("%d\\n", @NET@_run_threads(&inputs, &two, arena, &pool));
    return 0;
}
"""


@pytest.mark.parametrize("two", [True, False])
def test_two_threads_of_a_computer_are_two_cores(
    artifact: Artifact, two: bool, tmp_path: Path, require_tool: Need
) -> None:
    """Twenty inferences, byte for byte; without the hooks the pool says that there is one core."""
    gcc = require_tool("gcc")
    main = tmp_path / "main.c"
    main.write_text(HOST.replace("@NET@", artifact.name).replace("@UP@", artifact.name.upper()))
    sources = [str(path) for path in artifact.files("src", ".c")]
    flags = ["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-O1", "-fwrapv", "-Wall", "-Werror"]
    flags += [f"-I{artifact.path / 'include'}", f"-I{artifact.path / 'src'}", "-pthread"]
    flags += ["-DTWO"] if two else []
    program = tmp_path / "program"
    done = subprocess.run(
        [gcc, *flags, str(main), *sources, "-o", str(program), "-lm"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    ran = subprocess.run([str(program)], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0
    # NULL, 3 cores, NULL; start; NULL, crooked; same bytes, stop; no pool; one core alone.
    expected = "-1 -6 -1 0 -1 -2 1 0 -6 0 0" if two else "-1 -6 -1 -7"
    assert ran.stdout.split() == expected.split()


def test_a_target_with_one_core_gets_no_word_about_two(tmp_path: Path) -> None:
    assert load_target("nucleo-h743zi").cpu.cores == 1
    made = compile_model(MODEL, "nucleo-h743zi", tmp_path / "net")
    assert "_pool" not in (made.path / "include" / f"{made.name}.h").read_text()
    assert not list((made.path / "src").glob("*cores*"))
