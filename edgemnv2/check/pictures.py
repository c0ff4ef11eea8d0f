"""Photographs in, answers out: what an artefact says of them, told and drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgemnv2.artifact import Artifact
from edgemnv2.check.run import run_set
from edgemnv2.check.verify import BATCH
from edgemnv2.errors import InputError, UsageError, reason
from edgemnv2.export.whole_file import expect_not_read
from edgemnv2.meaning.infer import relabelled
from edgemnv2.meaning.told import said
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.runners.base import Runner
from edgemnv2.runtime.vision.decode import Answer, decode, similarity
from edgemnv2.runtime.vision.draw import drawn
from edgemnv2.runtime.vision.geometry import Placement
from edgemnv2.samples.images import (
    SUFFIXES,
    image_input,
    open_picture,
    placement,
    preprocess,
)
from edgemnv2.samples.inputs import InputSet
from edgemnv2.task import Task

__all__ = ["PictureAnswer", "answer_pictures", "decoded", "task_records"]

Array = NDArray[Any]
Count = Callable[[int, int], None]
DRAWN = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
"""What a drawn picture may be written as."""
NEAREST = 5


@dataclass(frozen=True, eq=False)
class PictureAnswer:
    """What the network says of the picture `name`; `neighbours` are names and similarities.

    Boxes in `answer` are shares of the network's input; `placement` leads to the picture's pixels.
    """

    name: str
    answer: Answer
    placement: Placement
    task: Task
    neighbours: tuple[tuple[str, float], ...] = ()
    drawn: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: boxes and points in pixels of the picture."""
        answer, place, task = self.answer, self.placement, self.task
        found: dict[str, Any] = {"picture": self.name, "task": answer.kind}
        if answer.kind == "classifier":
            found["classes"] = [{**asdict(x), "label": task.label(x.index)} for x in answer.classes]
        if answer.kind == "detector":
            found["detections"] = [
                {
                    "box": list(place.box_to_picture((x.top, x.left, x.bottom, x.right))),
                    "index": x.index,
                    "label": task.label(x.index),
                    "score": x.score,
                }
                for x in answer.detections
            ]
        if answer.kind == "grid":
            found["centroids"] = [
                {
                    "point": list(place.to_picture(x.y, x.x)),
                    "index": x.index,
                    "label": task.label(x.index),
                    "score": x.score,
                }
                for x in answer.centroids
            ]
        if answer.mask is not None:
            # Classes of one label, as maps of towns have several "void", are one share.
            areas: Counter[str] = Counter()
            for i, n in zip(*np.unique(answer.mask, return_counts=True), strict=True):
                areas[task.label(int(i))] += int(n)
            found["shares"] = {label: n / answer.mask.size for label, n in areas.items()}
        if answer.embedding is not None:
            found["embedding"] = [float(x) for x in answer.embedding]
            found["neighbours"] = [{"name": n, "similarity": s} for n, s in self.neighbours]
        if self.drawn is not None:
            found["drawn"] = str(self.drawn)
        return found


def task_records(artifact: Artifact) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The task and the outputs in the form of the manifest, as the decoder takes them."""
    return artifact.manifest.task.to_dict(), [asdict(x) for x in artifact.outputs]


def decoded(
    artifact: Artifact, stored: dict[str, Array], index: int, threshold: float | None = None
) -> Answer:
    """The answer of sample `index` in the outputs `[N, H, W, C]` of a run."""
    task, tensors = task_records(artifact)
    one = {name: array[index : index + 1] for name, array in stored.items()}
    return decode(task, tensors, one, threshold)


def answer_pictures(
    artifact: Artifact,
    runner: Runner,
    pictures: Path,
    *,
    draw: Path | None = None,
    threshold: float | None = None,
    neighbours: Path | None = None,
    labels: Path | None = None,
    preprocess: str | None = None,
    threads: int = 1,
    progress: Count = lambda done, total: None,
) -> tuple[PictureAnswer, ...]:
    """See `OpenArtifact.answer`; each picture is drawn as soon as it has been looked at."""
    if threshold is not None and np.isnan(threshold):
        raise UsageError(f"threshold={threshold}: expected a number, as in 0.5")
    graph = load_graph(artifact.path / REFERENCE_FOLDER)
    task = artifact.manifest.task
    if labels is not None:
        task = relabelled(task, said(labels=labels))
    files = _files(pictures)
    targets = _targets(files, pictures.is_dir(), draw)
    _check(artifact, graph, task, neighbours)
    known = [] if neighbours is None else _files(neighbours)
    for target in targets:
        if target is not None:
            expect_not_read(target, "draw", [*files, *known, labels, *artifact.all_files()])
    preset = preprocess or artifact.manifest.preprocess
    gallery: list[tuple[str, Array]] = []
    for start in range(0, len(known), BATCH):
        part = known[start : start + BATCH]
        for (file, _), answer, _ in _batch(artifact, runner, graph, part, preset, 0.0, threads):
            assert answer.embedding is not None
            gallery.append((file.name, answer.embedding))
    found: list[PictureAnswer] = []
    progress(0, len(files))
    for start in range(0, len(files), BATCH):
        part = files[start : start + BATCH]
        for (file, image), answer, place in _batch(
            artifact, runner, graph, part, preset, threshold, threads
        ):
            near = _nearest(answer, gallery)
            target = targets[len(found)]
            if target is not None:
                words = {i: task.label(i) for i in range(len(task.labels))}
                _save(drawn(image, answer, words, place, neighbours=near), target)
            found.append(PictureAnswer(file.name, answer, place, task, near, target))
        progress(len(found), len(files))
    return tuple(found)


def _batch(
    artifact: Artifact,
    runner: Runner,
    graph: Graph,
    files: Sequence[Path],
    preset: str,
    threshold: float | None,
    threads: int,
) -> list[tuple[tuple[Path, Image.Image], Answer, Placement]]:
    index = image_input(graph)
    tensor, name = graph.tensors[graph.inputs[index]], graph.input_specs[index].name
    fit = artifact.manifest.task.fit
    images = [open_picture(file) for file in files]
    x = np.stack([preprocess(image, tensor, preset, fit) for image in images])
    inputs = InputSet({name: x}, tuple(file.name for file in files))
    stored = run_set(artifact, runner, inputs, threads)
    return [
        ((file, image), decoded(artifact, stored, i, threshold), placement(image, tensor, fit))
        for i, (file, image) in enumerate(zip(files, images, strict=True))
    ]


def _check(artifact: Artifact, graph: Graph, task: Task, neighbours: Path | None) -> None:
    if len(graph.inputs) != 1:
        raise InputError(
            f"{artifact.path}: the network has {len(graph.inputs)} inputs, a picture is one; give "
            "them as .npz with inputs="
        )
    if task.kind == "unknown":
        why = f" ({task.told_by})" if task.told_by else ""
        raise InputError(
            f"{artifact.path}: what its outputs mean is not known{why}; compile it again with "
            "task= or anchors=, or take the tensors with images= and outputs="
        )
    if neighbours is not None and task.kind != "embedding":
        raise UsageError(
            f"neighbours=: {artifact.path} is a {task.kind}, only embeddings have neighbours "
            "(leave it out)"
        )


def _files(path: Path) -> list[Path]:
    """The picture, or the pictures of a folder, by name."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: no such picture or folder; give one of them")
    found = sorted(
        file
        for file in path.iterdir()
        if file.suffix.lower() in SUFFIXES and file.is_file() and not file.name.startswith(".")
    )
    if not found:
        raise InputError(f"{path}: no pictures in this folder ({', '.join(SUFFIXES)}); add some")
    return found


def _targets(files: Sequence[Path], folder: bool, draw: Path | None) -> list[Path | None]:
    """Where each drawn picture goes; UsageError before anything has been computed."""
    if draw is None:
        return [None] * len(files)
    if not folder:
        if draw.is_dir():
            return [draw / f"{files[0].stem}.png"]
        if draw.suffix.lower() not in DRAWN:
            raise UsageError(f"draw={draw}: expected a file that ends in {', '.join(DRAWN)}")
        return [draw]
    if draw.exists() and not draw.is_dir():
        raise UsageError(f"draw={draw}: is not a folder, and the pictures are one (give a folder)")
    # Two pictures of one name and different endings stay apart.
    stems = [file.stem for file in files]
    names = [file.stem if stems.count(file.stem) == 1 else file.name for file in files]
    return [draw / f"{name}.png" for name in names]


def _save(image: Image.Image, path: Path) -> None:
    """Whole or not at all."""
    partial = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(partial)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise InputError(
            f"draw={path}: cannot be written ({reason(error)}); give another file"
        ) from error


def _nearest(answer: Answer, gallery: Sequence[tuple[str, Array]]) -> tuple[tuple[str, float], ...]:
    if answer.embedding is None:
        return ()
    scored = [(name, similarity(answer.embedding, other)) for name, other in gallery]
    return tuple(sorted(scored, key=lambda pair: -pair[1])[:NEAREST])
