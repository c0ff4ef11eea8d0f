"""What a bundle's self-test expects of the decoder, and how it asks it in C.

The firmware prints these answers: it is also the example of how the decoder is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.answers import Answers
from edgemnv2.codegen.ends import InterfaceEnd
from edgemnv2.codegen.interface import field_names
from edgemnv2.runtime.vision.decode import Answer, decode, foreground
from edgemnv2.task import Task

__all__ = ["ExpectedAnswers", "answers_data", "expected_answers", "usage_of_answers"]

Array = NDArray[Any]
Row = tuple[int, float, tuple[float, float, float, float]]
MOST = 8
"""Answers that are compared; NET_SELFTEST_MOST_ANSWERS in the template."""
CAPACITY = 16
"""Of the decoder's list, in the firmware's own memory."""
CLOSE = 1e-4
"""What scores and places may differ by beside the outputs' own tolerance: other exponentials."""
STEP, MARGIN = 0.05, 0.01
"""Thresholds are tried in steps until none of the scores is so near that it might cross."""
AROUND = 0.1
"""How far from the usual threshold the one of a map of one channel is looked for."""
NOWHERE = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class ExpectedAnswers:
    """The rows that the decoder shall give for the self-test's sample, at `threshold`.

    `tied`: the last bits of floats decide about them, so they are printed and not compared.
    """

    task: Task
    rows: tuple[Row, ...]
    threshold: float
    tolerance: float
    tied: bool = False


def expected_answers(
    artifact: Artifact,
    outputs: Mapping[str, Array],
    tolerance: float,
    nudged: Sequence[Mapping[str, Array]] = (),
) -> ExpectedAnswers | None:
    """The answers in reference outputs `[1, H, W, C]` by the source's names; None without any.

    `tolerance` is what floats among the outputs may differ by; `nudged` are the outputs of
    `near_ties.nudged_runs`.
    """
    task = artifact.manifest.task
    if not _answers(artifact).has_decoder:
        return None
    records = [asdict(tensor) for tensor in artifact.outputs]

    def at(threshold: float, found: Mapping[str, Array] = outputs) -> Answer:
        return decode(task.to_dict(), records, found, threshold, CAPACITY)

    threshold = task.threshold
    if task.kind == "segmenter" and "foreground" in task.roles:
        named = {record["name"]: record for record in records}
        threshold = _in_a_gap(foreground(task.to_dict(), named, outputs), threshold)
    scores = [] if task.kind == "segmenter" else [row[1] for row in _rows(at(0.0))]
    while any(abs(score - threshold) < MARGIN for score in scores) and threshold < 1:
        threshold += STEP
    threshold = float(np.float32(threshold))
    rows, close = tuple(_rows(at(threshold))[:MOST]), tolerance + CLOSE
    tied = any(not _alike(rows, _rows(at(threshold, made))[:MOST], close) for made in nudged)
    return ExpectedAnswers(task, rows, threshold, close, tied)


def _alike(rows: Sequence[Row], others: Sequence[Row], close: float) -> bool:
    """Whether the self-test would take `others` for `rows`."""
    return len(rows) == len(others) and all(
        a[0] == b[0] and np.allclose([a[1], *a[2]], [b[1], *b[2]], rtol=0, atol=close)
        for a, b in zip(rows, others, strict=True)
    )


def _in_a_gap(chances: Array, threshold: float) -> float:
    """Near `threshold`, where no probability is close: the middle of the widest gap there."""
    ends = threshold - AROUND, threshold + AROUND
    near = np.sort(np.array([*ends, *chances[(chances > ends[0]) & (chances < ends[1])]]))
    widest = int(np.diff(near).argmax())
    return float(near[widest : widest + 2].mean())


def _answers(artifact: Artifact) -> Answers:
    """As the artefact's own code was made from."""
    tensors = artifact.outputs
    fields = field_names([tensor.name for tensor in tensors], "output")
    ends = {
        tensor.name: InterfaceEnd(
            field, field, *tensor.nhwc, tensor.dtype, tensor.scale, tensor.zero_point
        )
        for field, tensor in zip(fields, tensors, strict=True)
    }
    return Answers(artifact.manifest.task, ends)


def _rows(answer: Answer) -> list[Row]:
    """Class, score and place of each answer, as the firmware lists them."""
    if answer.mask is not None:
        indices, counts = np.unique(answer.mask, return_counts=True)
        return [
            (int(i), float(n) / answer.mask.size, NOWHERE)
            for i, n in zip(indices, counts, strict=True)
        ]
    if answer.embedding is not None:
        return [(i, float(x), NOWHERE) for i, x in enumerate(answer.embedding[:MOST])]
    rows = [(x.index, x.score, NOWHERE) for x in answer.classes]
    rows += [(x.index, x.score, (x.top, x.left, x.bottom, x.right)) for x in answer.detections]
    return rows + [(x.index, x.score, (x.y, x.x, 0.0, 0.0)) for x in answer.centroids]


_LISTS = {
    "classifier": ("class", ()),
    "detector": ("detection", ("top", "left", "bottom", "right")),
    "grid": ("centroid", ("y", "x")),
}


def answers_data(expected: ExpectedAnswers, name: str) -> list[str]:
    """The lines of `<name>_selftest_data.c` about answers."""
    rows = [
        f"    {{{index}, {score!r}f, {{{', '.join(f'{x!r}f' for x in box)}}}}},"
        for index, score, box in expected.rows
    ]
    # C99 has no empty arrays.
    rows = rows or ["    {0, 0.0f, {0.0f, 0.0f, 0.0f, 0.0f}},"]
    return [
        f"const struct {name}_selftest_answer {name}_selftest_answers[] = {{",
        *rows,
        "};",
        f"const int32_t {name}_selftest_answer_count = {len(expected.rows)};",
        f"const int32_t {name}_selftest_answers_tied = {int(expected.tied)};",
        f"const float {name}_selftest_answer_tolerance = {expected.tolerance!r}f;",
        "",
        *_decode(expected, name),
    ]


def _decode(expected: ExpectedAnswers, name: str) -> list[str]:
    kind, upper = expected.task.kind, name.upper()
    head = [
        f"int32_t {name}_selftest_decode(",
        f"    const struct {name}_outputs *outputs, struct {name}_selftest_answer *answers) {{",
    ]
    zeros = "answers[i].box[0] = answers[i].box[1] = answers[i].box[2] = answers[i].box[3] = 0.0f;"
    most = f"{upper}_SELFTEST_MOST_ANSWERS"
    if kind in _LISTS:
        struct, ends = _LISTS[kind]
        return [
            *head,
            f"  static struct {name}_{struct} found[{CAPACITY}];",
            "  int32_t count, i;",
            f"  count = {name}_decode(outputs, {expected.threshold!r}f, found, {CAPACITY});",
            f"  if (count > {most}) count = {most};",
            "  for (i = 0; i < count; i++) {",
            "    answers[i].class_index = found[i].class_index;",
            "    answers[i].score = found[i].score;",
            f"    {zeros}",
            *(f"    answers[i].box[{k}] = found[i].{end};" for k, end in enumerate(ends)),
            "  }",
            "  return count;",
            "}",
        ]
    if kind == "segmenter":
        # A segmenter has one output, whose field is called so.
        field = "output"
        least = f"{expected.threshold!r}f, " if "foreground" in expected.task.roles else ""
        return [
            *head,
            "  static uint32_t pixels[256];",
            "  int32_t count = 0, i;",
            "  /* In place: the output is no longer needed. */",
            f"  {name}_decode(outputs, {least}(uint8_t *)(void *)outputs->{field}, NULL);",
            "  for (i = 0; i < 256; i++) pixels[i] = 0;",
            f"  for (i = 0; i < {upper}_MASK_HEIGHT * {upper}_MASK_WIDTH; i++)",
            f"    pixels[((const uint8_t *)(const void *)outputs->{field})[i]]++;",
            f"  for (i = 0; i < 256 && count < {most}; i++) {{",
            "    if (pixels[i] == 0) continue;",
            "    answers[count].class_index = i;",
            "    answers[count].score =",
            f"        (float)pixels[i] / (float)({upper}_MASK_HEIGHT * {upper}_MASK_WIDTH);",
            "    answers[count].box[0] = answers[count].box[1] = 0.0f;",
            "    answers[count].box[2] = answers[count].box[3] = 0.0f;",
            "    count++;",
            "  }",
            "  return count;",
            "}",
        ]
    return [
        *head,
        f"  static float embedding[{upper}_CLASSES];",
        "  int32_t i;",
        f"  {name}_decode(outputs, embedding);",
        f"  for (i = 0; i < {len(expected.rows)}; i++) {{",
        "    answers[i].class_index = i;",
        "    answers[i].score = embedding[i];",
        f"    {zeros}",
        "  }",
        f"  return {len(expected.rows)};",
        "}",
    ]


def usage_of_answers(artifact: Artifact) -> str:
    """How the decoder is called, for a README; nothing where there is none."""
    name, upper, task = artifact.name, artifact.name.upper(), artifact.manifest.task
    if not _answers(artifact).has_decoder:
        return ""
    if task.kind in _LISTS:
        struct = _LISTS[task.kind][0]
        code = [
            f"struct {name}_{struct} found[{upper}_DECODE_CAPACITY];",
            f"int32_t count = {name}_decode(&outputs, {upper}_THRESHOLD, found, "
            f"{upper}_DECODE_CAPACITY);",
        ]
    elif task.kind == "segmenter":
        least = f"{upper}_THRESHOLD, " if "foreground" in task.roles else ""
        code = [
            f"static uint8_t mask[{upper}_MASK_HEIGHT * {upper}_MASK_WIDTH];",
            f"int32_t classes = {name}_decode(&outputs, {least}mask, NULL);",
        ]
    else:
        code = [
            f"static float embedding[{upper}_CLASSES];",
            f"{name}_decode(&outputs, embedding);",
        ]
    lines = [f"What the outputs say ({task.kind}; the header has the rest):", "", "```c"]
    return "\n".join(["", *lines, *code, "```", ""])
