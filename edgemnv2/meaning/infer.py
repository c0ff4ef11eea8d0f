"""The task that follows from a network's form, from its file and from what the user says.

The form tells most: four outputs of a detection operator, a box and scores for each anchor, the
largest class of each pixel, a softmax over a coarse grid, a vector. Where two tasks have one form
(class scores without softmax and a linear embedding), the more frequent one is taken, and
`Said.kind` decides otherwise.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgemnv2.errors import InputError, UsageError, counted
from edgemnv2.meaning.anchors import anchors_of, ssd_anchors
from edgemnv2.meaning.detections import PASSING, detection_outputs, last_maker
from edgemnv2.meaning.labels import labels_beside, labels_inside
from edgemnv2.meaning.normalisation import preset_inside
from edgemnv2.model import TensorSpec
from edgemnv2.ops.graph import Graph, Tensor
from edgemnv2.runtime.vision.labels import BACKGROUND_WORDS, fitted, without_background
from edgemnv2.samples.images import image_input, preset_pixels
from edgemnv2.samples.pixels import wanted_pixels
from edgemnv2.task import Box, Said, Task

__all__ = [
    "METADATA",
    "labels_left_out",
    "relabelled",
    "said_by_file",
    "said_in_metadata",
    "task_of",
]

METADATA = "edgemnv2"
"""Key of an ONNX file's metadata that holds what `Said` holds, as JSON."""
COARSE = 4
"""Input pixels that a cell of a grid stands for, at least; finer maps are of pixels."""
SIGMOIDS = ("sigmoid", "hardsigmoid")


def said_by_file(path: Path) -> Said:
    """What a model's file, or a file beside it, says."""
    said = Said()
    if path.suffix == ".onnx" and path.is_file():
        import onnx

        try:
            proto = onnx.load(str(path), load_external_data=False)
        except Exception:  # whatever is wrong with it, the front end says so better
            return said
        said = said_in_metadata({x.key: x.value for x in proto.metadata_props}, path.name)
    if path.suffix == ".tflite" and path.is_file():
        preset = preset_inside(path)
        origin = f"{path.name}'s metadata" if preset else ""
        said = Said(preprocess=preset, preprocess_from=origin)
    labels, origin = labels_inside(path)
    if not labels:
        labels, origin = labels_beside(path)
    return said.over(Said(labels=labels, labels_from=origin))


def said_in_metadata(properties: Mapping[str, str], place: str) -> Said:
    """What the metadata of an ONNX file says; InputError for anchors that are none."""
    try:
        content: Any = json.loads(properties.get(METADATA, "{}"))
    except ValueError:
        return Said()
    if not isinstance(content, dict):
        return Said()
    anchors = content.get("anchors")
    labels = content.get("labels", ())
    return Said(
        kind=content.get("kind"),
        labels=tuple(str(x) for x in labels),
        labels_from=f"{place}'s metadata" if labels else "",
        anchors=anchors_of(anchors, place) if isinstance(anchors, dict) else (),
        scales=_scales(anchors, place) if isinstance(anchors, dict) else None,
        scores=content.get("scores"),
        threshold=content.get("threshold"),
        preprocess=content.get("preprocess"),
        preprocess_from=f"{place}'s metadata" if content.get("preprocess") else "",
        fit=content.get("fit"),
    )


def _scales(anchors: Mapping[str, Any], place: str) -> Box | None:
    """What codes of boxes were multiplied by, where that is told."""
    if "scales" not in anchors:
        return None
    try:
        y, x, height, width = (float(scale) for scale in anchors["scales"])
    except (TypeError, ValueError):
        raise InputError(
            f"{place}: scales of boxes are {anchors['scales']!r} (must be four numbers)"
        ) from None
    return y, x, height, width


def task_of(graph: Graph, user: Said | None = None) -> Task:
    """The task of `graph`; what the user says goes before what its file says.

    Raises UsageError for a kind that does not suit the outputs, for labels of another number than
    there are classes, and for anchors of another number than there are boxes. Labels that a file
    brings are left out there (`labels_left_out`).
    """
    said = (user or Said()).over(graph.said)
    task = _form(graph, said)
    if said.kind not in (None, task.kind):
        raise UsageError(
            f"task={said.kind}: the outputs of {graph.source or graph.name} are those of a "
            f"{task.kind} ({task.told_by}); leave it out"
        )
    # Of classes the best ones are told, however low.
    usual = 0.0 if task.kind == "classifier" else task.threshold
    task = replace(task, threshold=usual if said.threshold is None else said.threshold)
    task = _with_labels(task, said)
    if user is not None:
        _expect_used(user, task)
    return _with_pixels(replace(task, fit=said.fit or _usual_fit(task)), graph, said)


def _usual_fit(task: Task) -> str:
    return "letterbox" if task.kind in ("detector", "segmenter", "grid") else "crop"


def _form(graph: Graph, said: Said) -> Task:
    """Kind and roles, by the shapes of the outputs and the layers that make them."""
    if said.kind == "unknown":
        return Task("unknown", "told so")
    for rule in (_detections, _raw_heads, _map_heads, _one_output):
        found = rule(graph, said)
        if found is not None:
            return found
    return Task("unknown", f"{len(graph.outputs)} outputs of no known form")


def _detections(graph: Graph, said: Said) -> Task | None:
    """Boxes, classes, scores and count, as TFLite_Detection_PostProcess gives them."""
    found = detection_outputs(graph)
    if found is None:
        return None
    # Names are of the operator's classes, without the background that some lists begin with.
    size = len(without_background(said.labels, found.classes)) or found.classes
    told = "boxes, classes, scores and their count"
    task = Task("detector", told, found.roles, size, "probabilities")
    return replace(task, classes_a_box=found.classes_a_box)


def _raw_heads(graph: Graph, said: Said) -> Task | None:
    """A code of four numbers and scores for each anchor: `[1, N, 4]` and `[1, N, classes]`."""
    specs = graph.output_specs
    if len(specs) != 2 or any(_rows_and_values(spec) is None for spec in specs):
        return None
    sizes = [_rows_and_values(spec) or (0, 0) for spec in specs]
    if sizes[0][0] != sizes[1][0] or sizes[0][0] < 2:
        return None
    four = [index for index, (_, values) in enumerate(sizes) if values == 4]
    if not four:
        return None
    named = (i for i in four if _is_box(specs[i]))
    box = next(named, four[0])
    count, classes = sizes[1 - box]
    return _anchored(graph, said, (specs[1 - box],), (specs[box],), count, classes)


def _is_box(spec: TensorSpec) -> bool:
    """Whether an output is called after boxes ("boxes", "bbox_regression", "raw_box", "loc")."""
    return "box" in spec.name.lower() or "loc" in spec.name.lower()


def _rows_and_values(spec: TensorSpec) -> tuple[int, int] | None:
    """Of `[1, N, values]`, also where a dimension of one stands between (TensorFlow's)."""
    inner = (
        [x for x in spec.sample_shape[:-1] if x != 1] + [spec.sample_shape[-1]]
        if (spec.sample_shape)
        else []
    )
    plain = len(inner) == 2 and (len(spec.shape) == 3 or spec.sample_shape[1] == 1)
    return (inner[0], inner[1]) if plain else None


def _map_heads(graph: Graph, said: Said) -> Task | None:
    """Maps of scores and of boxes, by turns or one kind after the other, with anchors told."""
    if not said.anchors or len(graph.outputs) % 2 or not len(graph.outputs):
        return None
    specs = graph.output_specs
    boxes = [spec for spec in specs if _is_box(spec)]
    scores = [spec for spec in specs if spec not in boxes]
    if len(boxes) != len(scores):
        return None
    count = sum(math.prod(spec.sample_shape) for spec in boxes)
    values = sum(math.prod(spec.sample_shape) for spec in scores)
    if count % 4 or (values * 4) % count:
        return None
    return _anchored(graph, said, tuple(scores), tuple(boxes), count // 4, values * 4 // count)


def _anchored(
    graph: Graph,
    said: Said,
    scores: tuple[TensorSpec, ...],
    boxes: tuple[TensorSpec, ...],
    count: int,
    classes: int,
) -> Task:
    """A detector whose boxes are codes of anchors: told ones, else those of the usual maps."""
    anchors = said.anchors or _generated(graph, count)
    if anchors and len(anchors) != count:
        raise UsageError(
            f"anchors=: {len(anchors)} anchors, and {graph.source or graph.name} has boxes for "
            f"{count} (give those that it was trained with)"
        )
    roles = {"scores": tuple(x.name for x in scores), "boxes": tuple(x.name for x in boxes)}
    if not anchors:
        return Task(
            "unknown",
            f"codes of {count} boxes without their anchors (say them with anchors=)",
            roles,
            classes,
        )
    background = len(said.labels) == classes - 1 or bool(
        said.labels and said.labels[0].lower() in BACKGROUND_WORDS
    )
    named = {name: graph.outputs[i] for i, name in enumerate(x.name for x in graph.output_specs)}
    made = said.scores or _activation(graph, named[scores[0].name])
    if made == "none":
        made = "softmax" if background else "sigmoid"
    told = "anchors as told" if said.anchors else "anchors of the usual feature maps"
    task = Task("detector", f"codes of {count} boxes and scores, {told}", roles, classes, made)
    return replace(task, background=background, anchors=anchors, scales=said.scales or task.scales)


def _generated(graph: Graph, count: int) -> tuple[Any, ...]:
    """TensorFlow's anchors for this input, if their number is that of the boxes."""
    tensor = graph.tensors[graph.inputs[image_input(graph)]]
    for first in (16, 8):
        maps = []
        height, width = -(-tensor.height // first), -(-tensor.width // first)
        while True:
            maps.append((height, width))
            if height == width == 1 or len(maps) == 6:
                break
            height, width = -(-height // 2), -(-width // 2)
        anchors = ssd_anchors(maps)
        if len(anchors) == count:
            return anchors
    return ()


def _one_output(graph: Graph, said: Said) -> Task | None:
    """A vector, a map of scores, a map of classes, or a map of one thing alone."""
    if len(graph.outputs) != 1:
        return None
    (name,), (spec,) = graph.outputs, graph.output_specs
    tensor = graph.tensors[name]
    source = graph.tensors[graph.inputs[image_input(graph)]]
    last = last_maker(graph, name)
    op = "" if last is None else last.op
    if op == "argmax" or spec.dtype in ("int32", "int64"):
        size = [x for x in spec.sample_shape if x != 1]
        if len(size) != 2:
            return None
        classes = len(said.labels)
        if last is not None and op == "argmax":
            classes = graph.tensor_in(last).channels
        told = "the largest class of each pixel"
        return Task("segmenter", told, {"mask": (spec.name,)}, classes)
    if _is_one_map(spec, tensor, source):
        return _foreground(graph, said, spec, name)
    if math.prod(spec.sample_shape) == 1:
        return _two_classes(graph, said, spec, name)
    if tensor.channels < 2:
        return None
    made = said.scores or _activation(graph, name)
    if (tensor.height, tensor.width) == (1, 1):
        return _vector(graph, said, spec, op, made)
    if len(spec.shape) != 4:
        return None
    coarse = source.height >= COARSE * tensor.height
    roles = {"scores": (spec.name,)}
    if coarse and made == "probabilities":
        told = f"a softmax over a grid of {tensor.height} x {tensor.width}"
        return Task("grid", told, roles, tensor.channels, made, background=True)
    if said.kind == "grid":
        made = "softmax" if made == "none" else made
        return Task("grid", "told so", roles, tensor.channels, made, background=True)
    return Task("segmenter", "scores of classes for each pixel", roles, tensor.channels, made)


def _is_one_map(spec: TensorSpec, tensor: Tensor, source: Tensor) -> bool:
    """Whether an output has one number for each pixel, or each cell, of an image."""
    sides = [x for x in spec.sample_shape if x != 1]
    if len(sides) != 2 or (tensor.channels != 1 and len(spec.shape) != 3):
        return False
    return sides[0] * source.width == sides[1] * source.height


def _foreground(graph: Graph, said: Said, spec: TensorSpec, name: str) -> Task:
    """A map of one channel: what belongs to the one thing that it is about.

    Behind a sigmoid it says how likely that is. Without one it may as well be a depth or heat, so
    somebody must say that it is a segmenter, or name its one class or two.
    """
    made = said.scores or _activation(graph, name, (*PASSING, "resize"))
    sure = made in ("probabilities", "sigmoid")
    if not sure and said.kind != "segmenter" and len(said.labels) not in (1, 2):
        return Task(
            "unknown",
            "a map of one channel without a sigmoid, which may be a depth as well as a mask (say "
            "task=segmenter where it is a mask)",
        )
    told = "a sigmoid for each pixel" if sure else "a score for each pixel"
    names = ("background", "foreground")
    task = Task("segmenter", told, {"foreground": (spec.name,)}, 2, made if sure else "sigmoid")
    return replace(task, background=True, labels=names, labels_from="the one channel")


def _two_classes(graph: Graph, said: Said, spec: TensorSpec, name: str) -> Task:
    """One number for a whole picture: how likely the second of two classes is.

    Without a sigmoid it may as well be a size or an age, so somebody must say what it is.
    """
    made = said.scores or _activation(graph, name)
    sure = made in ("probabilities", "sigmoid")
    if not sure and said.kind != "classifier" and len(said.labels) != 2:
        return Task(
            "unknown",
            "one number without a sigmoid, which may be a quantity as well as a class of two (say "
            "task=classifier where it is that)",
        )
    told = "a sigmoid of one number" if sure else "one score"
    roles = {"foreground": (spec.name,)}
    return Task("classifier", told, roles, 2, made if sure else "sigmoid")


def _vector(graph: Graph, said: Said, spec: TensorSpec, op: str, made: str) -> Task:
    size = graph.tensors[graph.outputs[0]].channels
    embedding = Task("embedding", "features", {"embedding": (spec.name,)}, size)
    if said.kind == "embedding":
        return replace(embedding, told_by="told so")
    scores = {"scores": (spec.name,)}
    if made == "probabilities":
        return Task("classifier", f"a vector behind {op}", scores, size, made)
    if op == "l2norm":
        return replace(embedding, told_by="a vector of length one (L2 normalisation)")
    if op in ("averagepool", "pool", "reduce") and said.kind is None:
        return replace(embedding, told_by="pooled features without a classifier behind")
    told = "a vector of scores without softmax"
    return Task("classifier", told, scores, size, "softmax" if made == "none" else made)


def _activation(graph: Graph, name: str, passing: Sequence[str] = PASSING) -> str:
    """ "probabilities" behind a softmax or a sigmoid, else "none"."""
    last = last_maker(graph, name, passing)
    sure = last is not None and (last.makes_probabilities or last.op in SIGMOIDS)
    if last is not None and last.op == "lookup":
        # A table of 256 values; a sigmoid's has a step of 1/256.
        quant = graph.tensor_out(last).quant
        sure = quant is not None and math.isclose(quant.scale, 1 / 256)
    return "probabilities" if sure else "none"


def relabelled(task: Task, said: Said) -> Task:
    """`task` with the user's labels for its own; UsageError where their number is another."""
    renamed = _with_labels(replace(task, labels=(), labels_from=""), said)
    _expect_used(said, renamed)
    return renamed


def _expect_used(user: Said, task: Task) -> None:
    if user.labels_from and (not user.labels or task.labels_from != user.labels_from):
        raise UsageError(f"labels={_unused_labels(user, task)}; correct the file or leave it out")


def labels_left_out(graph: Graph, task: Task) -> str:
    """Why the labels that the model's file, or a file beside it, brings are not used; or ""."""
    return _unused_labels(graph.said, task) if graph.said.labels and not task.labels else ""


def _unused_labels(said: Said, task: Task) -> str:
    none = task.kind in ("unknown", "embedding") or not task.classes
    needs = "no classes" if none else counted(task.classes, "class")
    given = counted(len(said.labels), "label")
    return f"{said.labels_from}: {given}, and this {task.kind} has {needs}"


def _with_labels(task: Task, said: Said) -> Task:
    """`task` with the labels, where they suit it."""
    labels = fitted(said.labels, task.to_dict())
    return task if labels is None else replace(task, labels=labels, labels_from=said.labels_from)


def _with_pixels(task: Task, graph: Graph, said: Said) -> Task:
    index = image_input(graph)
    tensor = graph.tensors[graph.inputs[index]]
    if tensor.channels not in (1, 3) or len(graph.input_specs[index].shape) != 4:
        return task
    found = wanted_pixels(graph, index)
    if found is not None:
        return replace(task, pixels=(found.low, found.high), pixels_told_by=found.told_by)
    if said.preprocess is not None:
        low, high = preset_pixels(said.preprocess)
        told = said.preprocess_from or f"preprocess={said.preprocess}"
        return replace(task, pixels=(low, high), pixels_told_by=told)
    return task
