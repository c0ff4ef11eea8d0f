"""Every decoder under ASan and UBSan, on outputs of any bits: no numbers, infinities, any class."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.codegen.emit import write_vision
from edgemnv2.codegen.ends import InterfaceEnd
from edgemnv2.codegen.interface import header
from edgemnv2.meaning.anchors import ssd_anchors
from edgemnv2.task import Task
from tests.codegen.around_network import end, interface
from tests.sanitizers.shipped_c import SANITIZED

ROUNDS = 400
QUANT = {"float32": None, "int8": (0.0625, 3), "uint8": (0.0625, 100)}
SPECIAL = np.array(
    [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, 3.4e38, -3.4e38, 0.5, 1.0, 88.5, -87.5],
    np.float32,
)

# Each output lies in a block of its own size, so that a read beyond its end is seen.
PROGRAM = """
#include "net.h"
#include <stdio.h>
#include <stdlib.h>

static const size_t sizes[] = {%(sizes)s};
enum { OUTPUTS = sizeof sizes / sizeof sizes[0] };

int main(void) {
    void *blocks[OUTPUTS];
    struct net_outputs outputs;
    float threshold;
    size_t i;
    for (i = 0; i < OUTPUTS; i++)
        if ((blocks[i] = malloc(sizes[i])) == NULL)
            return 3;
    %(assign)s
    while (fread(&threshold, sizeof threshold, 1, stdin) == 1) {
        for (i = 0; i < OUTPUTS; i++)
            if (fread(blocks[i], sizes[i], 1, stdin) != 1)
                return 4;
        %(decode)s
    }
    for (i = 0; i < OUTPUTS; i++)
        free(blocks[i]);
    return 0;
}
"""
LIST = """
        static const int32_t capacities[] = {1, 3, 64, 200};
        for (i = 0; i < 4; i++) {
            struct %s *found = malloc((size_t)capacities[i] * sizeof *found);
            const int32_t count = net_decode(&outputs, threshold, found, capacities[i]);
            if (count < 0 || count > capacities[i])
                return 5;
            free(found);
        }
"""
MASK = """
        uint8_t *mask = malloc(NET_MASK_HEIGHT * NET_MASK_WIDTH);
        uint32_t *counts = malloc(NET_CLASSES * sizeof *counts);
        const int32_t classes = net_decode(&outputs, %s mask, counts);
        if (classes < 0 || classes > 256)
            return 5;
        free(mask);
        free(counts);
"""
EMBEDDING = """
        float *embedding = malloc(NET_CLASSES * sizeof *embedding);
        net_decode(&outputs, embedding);
        (void)net_similarity(embedding, embedding);
        free(embedding);
"""
Case = tuple[Task, list[InterfaceEnd], str]


def cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for dtype, quant in QUANT.items():
        for scores in ("probabilities", "softmax", "sigmoid"):
            name = f"{dtype} {scores}"
            one = end("out", (1, 1, 17), dtype, quant)
            task = Task("classifier", "", {"scores": ("out",)}, 17, scores)
            found[f"classes {name}"] = (task, [one], LIST % "net_class")
            one = end("out", (9, 11, 3), dtype, quant)
            task = Task("grid", "", {"scores": ("out",)}, 3, scores, background=True)
            found[f"grid {name}"] = (task, [one], LIST % "net_centroid")
            if scores == "softmax":
                continue
            one = end("out", (1, 1, 1), dtype, quant)
            task = Task("classifier", "", {"foreground": ("out",)}, 2, scores)
            found[f"two classes {name}"] = (task, [one], LIST % "net_class")
            one = end("out", (7, 9, 1), dtype, quant)
            task = Task("segmenter", "", {"foreground": ("out",)}, 2, scores, background=True)
            found[f"foreground {name}"] = (task, [one], MASK % "threshold,")
        for scores in ("softmax", "sigmoid"):
            ends = [
                end(f"{kind}{i}", (side, side, boxes * values), dtype, quant)
                for i, (side, boxes) in enumerate(((6, 3), (3, 6)))
                for kind, values in (("scores", 5), ("boxes", 4))
            ]
            roles = {"scores": ("scores0", "scores1"), "boxes": ("boxes0", "boxes1")}
            anchors = ssd_anchors([(6, 6), (3, 3)])
            task = Task("detector", "", roles, 5, scores, True, anchors=anchors)
            found[f"anchors {dtype} {scores}"] = (task, ends, LIST % "net_detection")
        one = end("out", (7, 9, 6), dtype, quant)
        task = Task("segmenter", "", {"scores": ("out",)}, 6)
        found[f"mask of scores {dtype}"] = (task, [one], MASK % "")
        one = end("out", (1, 1, 33), dtype, quant)
        task = Task("embedding", "", {"embedding": ("out",)}, 33)
        found[f"embedding {dtype}"] = (task, [one], EMBEDDING)
    for dtype in ("int64", "int32", "float32"):
        task = Task("segmenter", "", {"mask": ("out",)}, 6)
        found[f"mask of classes {dtype}"] = (task, [end("out", (1, 7, 9), dtype)], MASK % "")
    shapes = {"boxes": (1, 10, 4), "classes": (1, 1, 10), "scores": (1, 1, 10), "count": (1, 1, 1)}
    task = Task("detector", "", {x: (x,) for x in shapes}, 3, "probabilities", classes_a_box=(2, 2))
    ends = [end(name, shape, "float32") for name, shape in shapes.items()]
    found["decoded boxes"] = (task, ends, LIST % "net_detection")
    return found


CASES = cases()


def size_of(one: InterfaceEnd) -> int:
    return one.height * one.width * one.channels * np.dtype(one.dtype).itemsize


def any_bits(one: InterfaceEnd, random: np.random.Generator) -> bytes:
    """Any bits at all; floats are mostly usual ones, or some of them are special."""
    count = one.height * one.width * one.channels
    kind = random.integers(3)
    if one.dtype != "float32" or kind == 0:
        return random.bytes(size_of(one))
    values = random.normal(0, 4, count).astype(np.float32)
    if kind == 1:
        chosen = random.random(count) < 0.2
        values[chosen] = random.choice(SPECIAL, int(chosen.sum()))
    return values.tobytes()


def program(case: Case, folder: Path) -> Path:
    task, ends, decode = case
    made = interface(task, ends)
    (folder / "net.h").write_text(header(made))
    sources = [str(folder / name) for name in write_vision(made, folder)]
    assign = "\n    ".join(f"outputs.{x.field} = blocks[{i}];" for i, x in enumerate(ends))
    sizes = ", ".join(str(size_of(x)) for x in ends)
    (folder / "main.c").write_text(PROGRAM % {"sizes": sizes, "assign": assign, "decode": decode})
    out = folder / "decode"
    command = ["gcc", *SANITIZED, "-fsanitize=float-cast-overflow", str(folder / "main.c")]
    done = subprocess.run([*command, *sources, "-o", str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def run(built: Path, ends: Sequence[InterfaceEnd], rounds: int) -> subprocess.CompletedProcess[str]:
    random = np.random.default_rng(0)
    given = b"".join(
        random.choice([*SPECIAL, np.float32(0.05), np.float32(0.3)]).tobytes()
        + b"".join(any_bits(x, random) for x in ends)
        for _ in range(rounds)
    )
    (built.parent / "given").write_bytes(given)
    with (built.parent / "given").open("rb") as stream:
        command = [str(built)]
        return subprocess.run(command, stdin=stream, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", CASES)
def test_any_outputs_are_decoded(
    name: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("gcc")
    built = program(CASES[name], tmp_path)
    done = run(built, CASES[name][1], ROUNDS)
    assert done.returncode == 0, (done.returncode, done.stderr[:1500])
