"""The decoder of an artefact in C: outputs -> classes, boxes, centroids, a map, an embedding.

What is computed is in `edgemnv2/runtime/answers/*.h`; here are the functions with the artefact's
names around it, its tables, and what the public header says of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgemnv2.codegen.ends import C_TYPES, InterfaceEnd
from edgemnv2.runtime.vision.decode import CAPACITY, IOU
from edgemnv2.task import Task

__all__ = [
    "Answers",
    "answers_exports",
    "answers_header",
    "answers_headers_needed",
    "answers_source",
    "public_struct",
]

RUNTIME = Path(__file__).resolve().parent.parent / "runtime"
FILES = {
    "classifier": "answer_classes.h",
    "detector": "answer_boxes.h",
    "segmenter": "answer_pixels.h",
    "grid": "answer_grid.h",
    "embedding": "answer_embedding.h",
}
TWO_CLASSES = "answer_two_classes.h"
"""Of a classifier that tells one class of two by one number; includes the classifier's."""
ACTIVATIONS = {
    "probabilities": "EDGEMNV2_AS_THEY_ARE",
    "none": "EDGEMNV2_AS_THEY_ARE",
    "softmax": "EDGEMNV2_SOFTMAX",
    "sigmoid": "EDGEMNV2_SIGMOID",
}
KINDS = {"float32": "EDGEMNV2_FLOAT32", "int8": "EDGEMNV2_INT8", "uint8": "EDGEMNV2_UINT8"}
COUNTED = ("float32", "int8", "int32", "int64", "uint8")
"""Types of a map of classes."""
MOST_CLASSES = 256
"""Of a mask, whose pixels are bytes."""
NUMBERS_A_LINE = 8


@dataclass(frozen=True)
class Answers:
    """The task, and the outputs as C has them by the source's names."""

    task: Task
    ends: Mapping[str, InterfaceEnd]

    @property
    def has_decoder(self) -> bool:
        """Whether there is a function for this task and these types of outputs."""
        task = self.task
        ends = [self.ends[name] for names in task.roles.values() for name in names]
        if task.kind not in FILES:
            return False
        if task.kind == "segmenter":
            small = 0 < task.classes <= MOST_CLASSES or "mask" in task.roles
            known = COUNTED if "mask" in task.roles else tuple(KINDS)
            return small and all(end.dtype in known for end in ends)
        if "count" in task.roles:
            return all(end.dtype == "float32" for end in ends)
        return all(end.dtype in KINDS for end in ends)


def public_struct(file: str, name: str, prefix: str) -> list[str]:
    """The definition of `struct edgemnv2_<name>` in a file of the runtime, under the artefact's
    name, with the comment in front of it."""
    text = (RUNTIME / file).read_text("utf-8")
    pattern = rf"(/\*(?:(?!\*/).)*\*/\n)?struct edgemnv2_{name} \{{.*?^\}};\n"
    found = re.search(pattern, text, re.DOTALL | re.MULTILINE)
    assert found is not None, f"{file} has no struct edgemnv2_{name}"
    text = found[0].replace("edgemnv2_", f"{prefix}_").replace("EDGEMNV2_", f"{prefix.upper()}_")
    return text.rstrip("\n").split("\n")


def answers_headers_needed(answers: Answers) -> tuple[str, ...]:
    """The files of `runtime/answers` that the decoder includes."""
    if not answers.has_decoder:
        return ()
    file = FILES[answers.task.kind]
    return ("answer_values.h", file, *([TWO_CLASSES] if _of_two_classes(answers.task) else []))


def _of_two_classes(task: Task) -> bool:
    """Whether one number tells one class of two."""
    return task.kind == "classifier" and "foreground" in task.roles


def answers_exports(answers: Answers) -> list[str]:
    """The functions, without the artefact's name in front."""
    if not answers.has_decoder:
        return []
    return ["decode", "similarity"] if answers.task.kind == "embedding" else ["decode"]


def answers_header(answers: Answers, name: str) -> list[str]:
    """The part of the public header about the task."""
    task, upper = answers.task, name.upper()
    lines = [*_about(task), f'#define {upper}_TASK "{task.kind}"']
    if task.classes:
        lines.append(f"#define {upper}_CLASSES {task.classes}")
    if task.pixels is not None:
        lines += [
            f"#define {upper}_PIXEL_BLACK ({float(task.pixels[0])!r}f)",
            f"#define {upper}_PIXEL_WHITE ({float(task.pixels[1])!r}f)",
        ]
    if task.labels:
        lines += [
            "/* The names of the classes. */",
            f"extern const char *const {name}_labels[{len(task.labels)}];",
        ]
    if answers.has_decoder:
        lines += [
            f"#define {upper}_HAS_DECODER 1",
            f"#define {upper}_THRESHOLD {float(task.threshold)!r}f /* the usual one */",
            "",
            *_prototypes(answers, name),
        ]
    return [*lines, ""]


def _about(task: Task) -> list[str]:
    wants = "not known, say it with preprocess="
    if task.pixels is not None:
        low, high = task.pixels
        wants = f"black is {low:g}, white {high:g} ({task.pixels_told_by})"
    text = f"The task: {task.kind}"
    text += f" ({task.told_by})" if task.told_by else ""
    named = f"{len(task.labels)} from {task.labels_from}" if task.labels else "none"
    told = f"{text}. Pixels: {wants}; pictures of another shape: {task.fit}. Labels: {named}."
    lines, line = [], "/*"
    for word in told.replace("*/", "* /").split():
        if len(line) + len(word) > 96:
            lines.append(line)
            line = " *"
        line += f" {word}"
    return [*lines, f"{line} */"]


def _list(name: str, struct: str, array: str) -> list[str]:
    """The prototype of a decoder that fills an array."""
    return [
        f"#define {name.upper()}_DECODE_CAPACITY {CAPACITY}",
        f"int32_t {name}_decode(const struct {name}_outputs *outputs, float threshold,",
        f"    struct {name}_{struct} *{array}, int32_t capacity);",
    ]


def _prototypes(answers: Answers, name: str) -> list[str]:
    task = answers.task
    if task.kind == "classifier":
        return [
            *public_struct("answers/answer_classes.h", "class", name),
            "/* Fills `classes` with those of at least `threshold`, the best first; returns how",
            " * many there are. */",
            *_list(name, "class", "classes"),
        ]
    if task.kind == "detector":
        return [
            *public_struct("answers/answer_boxes.h", "detection", name),
            "/* Fills `detections`, the best first, and returns how many there are. Only the best",
            " * `capacity` candidates of at least `threshold` count. */",
            *_list(name, "detection", "detections"),
        ]
    if task.kind == "grid":
        return [
            *public_struct("answers/answer_grid.h", "centroid", name),
            "/* Fills `found` and returns how many there are, cells of at least `threshold`. */",
            *_list(name, "centroid", "found"),
        ]
    if task.kind == "segmenter":
        height, width = _mask_size(answers)
        size = [
            f"#define {name.upper()}_MASK_HEIGHT {height}",
            f"#define {name.upper()}_MASK_WIDTH {width}",
        ]
        if "foreground" in task.roles:
            return [
                *size,
                "/* Writes 1 for each pixel of at least `threshold`, else 0, row by row, and into",
                " * `counts` how many pixels are 0 and 1 (or NULL); returns how many of the two",
                " * there are. `mask` may be where the output itself lies. */",
                f"int32_t {name}_decode(const struct {name}_outputs *outputs, float threshold,",
                "    uint8_t *mask, uint32_t *counts);",
            ]
        return [
            *size,
            "/* Writes the class of each pixel, row by row, and into `counts` how many pixels each",
            " * class has (or NULL); returns how many classes there are. `mask` may be where the",
            " * output itself lies. */",
            f"int32_t {name}_decode(const struct {name}_outputs *outputs, uint8_t *mask,",
            "    uint32_t *counts);",
        ]
    return [
        f"/* Writes the embedding, {name.upper()}_CLASSES numbers of length one. */",
        f"void {name}_decode(const struct {name}_outputs *outputs, float *embedding);",
        "/* The cosine of the angle between two embeddings. */",
        f"float {name}_similarity(const float *a, const float *b);",
    ]


def _mask_size(answers: Answers) -> tuple[int, int]:
    """A map of classes may have its width where maps of scores have the channels."""
    roles = answers.task.roles
    if "scores" in roles:
        end = answers.ends[roles["scores"][0]]
        return end.height, end.width
    end = answers.ends[roles["mask" if "mask" in roles else "foreground"][0]]
    sizes = [x for x in (end.height, end.width, end.channels) if x != 1]
    return (sizes[0], sizes[1]) if len(sizes) == 2 else (end.height, end.width)


def answers_source(answers: Answers, name: str) -> str:
    """`src/<name>_decode.c`: labels, anchors and the decoder."""
    task, kind = answers.task, answers.task.kind
    renamed = {"classifier": "class", "detector": "detection", "grid": "centroid"}.get(kind)
    lines = [
        f"/* {name}: what its outputs say, by edgemnv2. */",
        f'#include "{name}.h"',
        "",
        "#include <stddef.h>",
        "",
    ]
    if answers.has_decoder:
        if renamed is not None:
            lines.append(f"#define EDGEMNV2_{renamed.upper()} {name}_{renamed}")
        lines += [f'#include "{TWO_CLASSES if _of_two_classes(task) else FILES[kind]}"', ""]
    if task.labels:
        lines += [
            f"const char *const {name}_labels[{len(task.labels)}] = {{",
            *(f"    {_literal(label)}," for label in task.labels),
            "};",
            "",
        ]
    if answers.has_decoder:
        lines += _BODIES[kind](answers, name)
    return "\n".join(lines)


def _literal(text: str) -> str:
    """A C string; bytes that are not plain are octal, which cannot swallow what follows."""
    plain = {ord(c) for c in " !#$%&'()*+,-./:;<=>@[]^_`{|}~"} | {
        *range(48, 58),
        *range(65, 91),
        *range(97, 123),
    }
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'


def _values(end: InterfaceEnd) -> str:
    scale = 1.0 if end.scale is None else float(end.scale)
    return f"{{outputs->{end.field}, {KINDS[end.dtype]}, {end.zero_point or 0}, {scale!r}f}}"


def _numbers(values: list[float]) -> list[str]:
    # As float32, which is what C keeps, with as many digits as it needs.
    import numpy as np

    words = [f"{np.float32(value)!s}f" for value in values]
    return [
        "    " + ", ".join(words[i : i + NUMBERS_A_LINE]) + ","
        for i in range(0, len(words), NUMBERS_A_LINE)
    ]


def _classes(answers: Answers, name: str) -> list[str]:
    task = answers.task
    (output,) = task.roles["foreground" if _of_two_classes(task) else "scores"]
    made = ACTIVATIONS[task.scores]
    call = [
        f"  return edgemnv2_best_classes(&scores, {task.classes}, {made},",
        "      threshold, classes, capacity);",
    ]
    if _of_two_classes(task):
        call = [
            f"  return edgemnv2_two_classes(&scores, {made}, threshold, classes,",
            "      capacity);",
        ]
    return [
        f"int32_t {name}_decode(const struct {name}_outputs *outputs, float threshold,",
        f"    struct {name}_class *classes, int32_t capacity) {{",
        f"  const struct edgemnv2_values scores = {_values(answers.ends[output])};",
        *call,
        "}",
        "",
    ]


def _boxes(answers: Answers, name: str) -> list[str]:
    task, roles = answers.task, answers.task.roles
    head = [
        f"int32_t {name}_decode(const struct {name}_outputs *outputs, float threshold,",
        f"    struct {name}_detection *detections, int32_t capacity) {{",
    ]
    if "count" in roles:
        ends = {role: answers.ends[names[0]] for role, names in roles.items()}
        scores = ends["scores"]
        most = scores.height * scores.width * scores.channels
        told, apart = task.classes_a_box
        parts = ("boxes", "classes", "scores", "count")
        return [
            *head,
            "  const struct edgemnv2_decoded decoded = {",
            *(f"      outputs->{ends[part].field}," for part in parts),
            f"      {most}, {told}, {apart}}};",
            "  return edgemnv2_take_boxes(&decoded, threshold, detections, capacity);",
            "}",
            "",
        ]
    heads = []
    for scores_name, boxes_name in zip(roles["scores"], roles["boxes"], strict=True):
        scores, boxes = answers.ends[scores_name], answers.ends[boxes_name]
        count = boxes.height * boxes.width * boxes.channels // 4
        heads.append(f"      {{{_values(scores)}, {_values(boxes)}, {count}}},")
    scales = ", ".join(f"{float(scale)!r}f" for scale in task.scales)
    numbers = [number for anchor in task.anchors for number in anchor]
    return [
        f"static const float anchors[{len(numbers)}] = {{",
        *_numbers(numbers),
        "};",
        "static const struct edgemnv2_box_rules rules = {",
        f"    anchors, {{{scales}}}, {task.classes}, {int(task.background)},",
        f"    {ACTIVATIONS[task.scores]}, {IOU!r}f}};",
        "",
        *head,
        f"  const struct edgemnv2_head heads[{len(heads)}] = {{",
        *heads,
        "  };",
        f"  return edgemnv2_decode_boxes(&rules, heads, {len(heads)}, threshold, detections,",
        "      capacity);",
        "}",
        "",
    ]


def _grid(answers: Answers, name: str) -> list[str]:
    task = answers.task
    end = answers.ends[task.roles["scores"][0]]
    return [
        f"int32_t {name}_decode(const struct {name}_outputs *outputs, float threshold,",
        f"    struct {name}_centroid *found, int32_t capacity) {{",
        f"  const struct edgemnv2_values scores = {_values(end)};",
        f"  return edgemnv2_decode_grid(&scores, {end.height}, {end.width}, {task.classes},",
        f"      {ACTIVATIONS[task.scores]}, threshold, found, capacity);",
        "}",
        "",
    ]


def _pixels(answers: Answers, name: str) -> list[str]:
    task = answers.task
    height, width = _mask_size(answers)
    pixels = height * width
    head = [
        f"int32_t {name}_decode(const struct {name}_outputs *outputs, uint8_t *mask,",
        "    uint32_t *counts) {",
    ]
    tail = [
        f"  return edgemnv2_count_classes(mask, {pixels}, counts, {task.classes});",
        "}",
        "",
    ]
    if "foreground" in task.roles:
        end = answers.ends[task.roles["foreground"][0]]
        return [
            f"int32_t {name}_decode(const struct {name}_outputs *outputs, float threshold,",
            "    uint8_t *mask, uint32_t *counts) {",
            f"  const struct edgemnv2_values scores = {_values(end)};",
            f"  edgemnv2_foreground(&scores, {pixels}, {ACTIVATIONS[task.scores]}, threshold,",
            "      mask);",
            *tail,
        ]
    if "mask" not in task.roles:
        end = answers.ends[task.roles["scores"][0]]
        return [
            *head,
            f"  const struct edgemnv2_values scores = {_values(end)};",
            f"  edgemnv2_best_of_pixels(&scores, {pixels}, {task.classes}, mask);",
            *tail,
        ]
    end = answers.ends[task.roles["mask"][0]]
    is_float = end.dtype.startswith("float")
    index = "edgemnv2_whole((float)classes[i], 255)" if is_float else "classes[i]"
    return [
        *head,
        f"  const {C_TYPES[end.dtype]} *classes = outputs->{end.field};",
        "  int32_t i;",
        f"  for (i = 0; i < {pixels}; i++) mask[i] = (uint8_t){index};",
        *tail,
    ]


def _embedding(answers: Answers, name: str) -> list[str]:
    end = answers.ends[answers.task.roles["embedding"][0]]
    count = answers.task.classes
    return [
        f"void {name}_decode(const struct {name}_outputs *outputs, float *embedding) {{",
        f"  const struct edgemnv2_values values = {_values(end)};",
        f"  edgemnv2_normalise(&values, {count}, embedding);",
        "}",
        "",
        f"float {name}_similarity(const float *a, const float *b) {{",
        f"  return edgemnv2_cosine(a, b, {count});",
        "}",
        "",
    ]


_BODIES = {
    "classifier": _classes,
    "detector": _boxes,
    "grid": _grid,
    "segmenter": _pixels,
    "embedding": _embedding,
}
