"""A hand-written artefact with the real C interface: every output is its input plus one.

`fault` plants a bug: "fence" writes behind the arena, "status" answers an error, "crash" follows a
null pointer, "hang" never ends.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgemnv2.artifact import Artifact, ArtifactWriter, load_artifact
from edgemnv2.codegen.emit import VISION
from edgemnv2.codegen.toolchain import compile_object, link_executable, link_shared
from edgemnv2.manifest import ArtifactTensor, KernelRecord, LayerRecord, Manifest, ModelId
from edgemnv2.runners.local import RUNTIME
from edgemnv2.target import load_target
from edgemnv2.task import Task
from edgemnv2.version import __version__

HEIGHT, WIDTH, CHANNELS = 6, 5, 3
ARENA_BYTES = 96

HEADER = f"""\
#ifndef TINY_H
#define TINY_H
#include <stdint.h>
#define TINY_ABI_VERSION 1
#define TINY_ARENA_BYTES {ARENA_BYTES}
#define TINY_ARENA_ALIGN 8
#define TINY_STREAM_ARENA_BYTES 32
#define TINY_LAYER_COUNT 1
#define TINY_IO_IN_ARENA 0
#define TINY_INPUT_TYPE int8_t
#define TINY_INPUT_BYTES {HEIGHT * WIDTH * CHANNELS}
#define TINY_INPUT_HEIGHT {HEIGHT}
#define TINY_INPUT_ROW_BYTES {WIDTH * CHANNELS}
#define TINY_OUTPUT_TYPE int8_t
#define TINY_OUTPUT_BYTES {HEIGHT * WIDTH * CHANNELS}
#define TINY_OK 0
#define TINY_MORE 1
#define TINY_ERROR_ROWS (-4)
struct tiny_inputs {{ const int8_t *input; }};
struct tiny_outputs {{ int8_t *output; }};
typedef void (*tiny_hook)(void *, int32_t layer, int32_t row, const void *data, int32_t bytes);
typedef int32_t (*tiny_next_row)(void *context, int32_t row, int8_t *destination);
int32_t tiny_run(const struct tiny_inputs *, const struct tiny_outputs *, void *arena);
int32_t tiny_run_hooked(
    const struct tiny_inputs *, const struct tiny_outputs *, void *arena, tiny_hook, void *);
int32_t tiny_run_rows(tiny_next_row, void *context, const struct tiny_outputs *, void *arena);
struct tiny_inference {{
    struct tiny_inputs inputs;
    struct tiny_outputs outputs;
    void *arena;
}};
int32_t tiny_begin(struct tiny_inference *, const struct tiny_inputs *,
    const struct tiny_outputs *, void *arena);
int32_t tiny_step(struct tiny_inference *, int32_t budget);
#endif
"""

SOURCE = """\
#include "tiny.h"
#include <string.h>
#define ROW TINY_INPUT_ROW_BYTES
void tiny_add_one(const int8_t *from, int8_t *to);
__attribute__((noinline)) void tiny_add_one(const int8_t *from, int8_t *to) {
    volatile int8_t copy[ROW];
    for (int i = 0; i < ROW; i++) copy[i] = from[i];
    for (int i = 0; i < ROW; i++) to[i] = (int8_t)(copy[i] + 1);
}
int32_t tiny_run_hooked(const struct tiny_inputs *in, const struct tiny_outputs *out, void *arena,
    tiny_hook hook, void *context) {
    memset(arena, 1, TINY_ARENA_BYTES);
    FAULT
    for (int32_t row = 0; row < TINY_INPUT_HEIGHT; row++) {
        tiny_add_one(in->input + row * ROW, out->output + row * ROW);
        if (hook) {
            hook(context, 0, row, NULL, 0);
            hook(context, 0, row, out->output + row * ROW, ROW);
        }
    }
    return TINY_OK;
}
int32_t tiny_run(const struct tiny_inputs *in, const struct tiny_outputs *out, void *arena) {
    return tiny_run_hooked(in, out, arena, NULL, NULL);
}
int32_t tiny_begin(struct tiny_inference *all, const struct tiny_inputs *in,
    const struct tiny_outputs *out, void *arena) {
    all->inputs = *in;
    all->outputs = *out;
    all->arena = arena;
    return TINY_OK;
}
int32_t tiny_step(struct tiny_inference *all, int32_t budget) {
    (void)budget;
    return tiny_run(&all->inputs, &all->outputs, all->arena);
}
int32_t tiny_run_rows(
    tiny_next_row next, void *context, const struct tiny_outputs *out, void *arena) {
    for (int32_t row = 0; row < TINY_INPUT_HEIGHT; row++) {
        if (next(context, row, (int8_t *)arena) != 0) return TINY_ERROR_ROWS;
        tiny_add_one((const int8_t *)arena, out->output + row * ROW);
    }
    return TINY_OK;
}
"""

FAULTS = {
    "": "",
    "fence": "((char *)arena)[TINY_ARENA_BYTES] = 7;",
    "status": "if (arena) return -2;",
    "crash": "*(volatile int *)0xF0000000u = 1;",
    "hang": "for (volatile int forever = 1; forever;) {}",
}


def tiny_manifest(target_name: str) -> Manifest:
    """A manifest as a real one is."""
    target = load_target(target_name)
    shape = (HEIGHT, WIDTH, CHANNELS)
    end = ArtifactTensor("image", (1, *shape), "int8", "NHWC", shape, 0.5, -3)
    return Manifest(
        edgemnv2=__version__,
        name="tiny",
        target=target.name,
        target_file=target.to_dict(),
        model=ModelId("tiny", "hand-written", "0" * 64),
        inputs=(end,),
        outputs=(replace(end, name="plus"),),
        task=Task("unknown", ""),
        preprocess="raw",
        io="caller",
        dtype=None,
        relative_tolerance=None,
        chains="memory",
        thread_chains="memory",
        packed_rows=(),
        arena_bytes=ARENA_BYTES,
        threads=(1,),
        threads_arena_bytes={},
        arena_align_bytes=8,
        arena_lower_bound_bytes=ARENA_BYTES,
        stream_arena_bytes=32,
        stream_arena_lower_bound_bytes=32,
        constants_bytes=0,
        constants_align_bytes=64,
        code_bytes=100,
        macs=0,
        layers=(LayerRecord("plus_one", "add", (shape,), shape, 0),),
        kernels=(KernelRecord("plus_one", "add", (), shape, 1, 0, "add_one", "default", {}),),
        steps=1,
    )


def make_tiny_artifact(folder: Path, target_name: str, fault: str = "") -> Artifact:
    """The artefact for that target, built as `compile` lays one out."""
    target = load_target(target_name)
    with ArtifactWriter(folder) as writer, tempfile.TemporaryDirectory() as work_name:
        work, out = Path(work_name), writer.folder
        (out / "include").mkdir()
        (out / "include" / "tiny.h").write_text(HEADER)
        source = work / "tiny.c"
        source.write_text(SOURCE.replace("FAULT", FAULTS[fault]))
        if target.is_bare_metal:
            (out / "src").mkdir()
            shutil.copy(source, out / "src" / "tiny.c")
        else:
            (out / "lib").mkdir()
            flags = [f"-I{out / 'include'}", f"-I{RUNTIME}", "-DEDGEMNV2_NAME=tiny"]
            flags += ["-DEDGEMNV2_UPPER=TINY", '-DEDGEMNV2_HEADER="tiny.h"']
            compile_object(target, source, work / "tiny.o", flags, static=True)
            compile_object(target, RUNTIME / "bench_main.c", work / "main.o", flags, static=True)
            link_shared(target, [work / "tiny.o"], out / "lib" / "libtiny.so", ["tiny_run"])
            link_executable(target, [work / "main.o", work / "tiny.o"], out / "bench")
            shutil.copy(RUNTIME / "run.py", out / "run.py")
            (out / "vision").mkdir()
            for module in VISION:
                shutil.copy(RUNTIME / "vision" / module, out / "vision" / module)
        writer.manifest = tiny_manifest(target_name)
    return load_artifact(folder)


def tiny_samples(count: int) -> list[np.ndarray]:
    """Random samples as the tiny artefact takes them."""
    random = np.random.default_rng(5)
    shape = (1, HEIGHT, WIDTH, CHANNELS)
    return [random.integers(-128, 127, shape, dtype=np.int8) for _ in range(count)]
