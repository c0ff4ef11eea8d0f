"""What a network is for: how its outputs are read, and what its pixels must be.

An artefact's manifest has it, as `task`; the C decoder and its twin in NumPy are made from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgemnv2.errors import ArtifactError

__all__ = ["FITS", "KINDS", "NOTHING_SAID", "Box", "Said", "Task", "said_from", "task_from"]

KINDS = ("classifier", "detector", "segmenter", "grid", "embedding", "unknown")
"""`grid` is FOMO's: a class for each cell of a coarse map, of which centroids are made."""
FITS = ("crop", "letterbox", "stretch")
"""How a picture of another shape becomes the network's: its middle alone, all of it with bars, or
all of it with another aspect."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Said:
    """What the model's file, a file beside it or the user says; None and () for what they do not.

    `anchors` are (centre y, centre x, height, width) as shares of the picture. `scores` is as in
    `Task`. `preprocess` is a preset of `samples.images`.
    """

    kind: str | None = None
    labels: tuple[str, ...] = ()
    labels_from: str = ""
    anchors: tuple[Box, ...] = ()
    scales: Box | None = None
    scores: str | None = None
    threshold: float | None = None
    preprocess: str | None = None
    preprocess_from: str = ""
    """Where the file says so; empty where the user does."""
    fit: str | None = None

    def over(self, other: Said) -> Said:
        """This, completed by `other` where it says nothing."""
        chosen = {
            name: getattr(self if getattr(self, name) else other, name)
            for name in self.__dataclass_fields__
        }
        if self.preprocess:
            chosen["preprocess_from"] = self.preprocess_from
        return Said(**chosen)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without what is not said."""
        return {key: value for key, value in asdict(self).items() if value}


NOTHING_SAID = Said()


@dataclass(frozen=True)
class Task:
    """What the outputs mean, and what an image input wants.

    `kind` is one of `KINDS`, `told_by` says how it is known. `roles` has the source's names of the
    outputs by what they are: "scores"; of a detector "scores" and "boxes" of each map in order, or
    the "boxes", "classes", "scores", "count" of a network that decodes them itself; "mask" of
    classes; "foreground", one number alone or for each pixel: how sure the second of two classes
    is; "embedding". `scores`: "probabilities" as they are,
    "softmax" or "sigmoid" to be applied, or "none". With `background`, class 0 is nothing.
    """

    kind: str
    told_by: str
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    classes: int = 0
    scores: str = "none"
    background: bool = False
    labels: tuple[str, ...] = ()
    labels_from: str = ""
    anchors: tuple[Box, ...] = ()
    scales: Box = (10.0, 10.0, 5.0, 5.0)
    """What a box's code was multiplied by: y, x, height, width; TensorFlow's own."""
    classes_a_box: tuple[int, int] = (1, 1)
    """Of a network that decodes boxes itself: how many rows in turn tell classes of one box, and
    after how many rows the next box begins. Its count is of boxes, not of rows."""
    threshold: float = 0.5
    """The least score that counts, unless the user says otherwise."""
    pixels: tuple[float, float] | None = None
    """What black and white are in the input's real numbers; None where nothing says so."""
    pixels_told_by: str = ""
    fit: str = "crop"

    @property
    def least(self) -> float | None:
        """The least real value of the one number for two classes that means the second one.

        None for other outputs.
        """
        if "foreground" not in self.roles:
            return None
        # Of two classes both are told, the likelier one first.
        threshold = 0.5 if self.kind == "classifier" else self.threshold
        if self.scores != "sigmoid":
            return threshold
        if not 0 < threshold < 1:
            return math.copysign(math.inf, threshold - 0.5)
        return math.log(threshold / (1 - threshold))

    def label(self, index: int) -> str:
        """The name of a class, else its number."""
        name = self.labels[index] if 0 <= index < len(self.labels) else ""
        return name or str(index)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        plain = asdict(self)
        plain["roles"] = {key: list(names) for key, names in self.roles.items()}
        plain["labels"] = list(self.labels)
        plain["anchors"] = [list(anchor) for anchor in self.anchors]
        plain["scales"] = list(self.scales)
        del plain["classes_a_box"]
        if self.classes_a_box != (1, 1):
            plain["classes_a_box"] = list(self.classes_a_box)
        plain["pixels"] = None if self.pixels is None else list(self.pixels)
        return plain


def said_from(content: Mapping[str, Any]) -> Said:
    """What `Said.to_dict` gave, read from JSON; ValueError or TypeError for another form."""
    values = dict(content)
    for key in ("labels", "anchors"):
        values[key] = tuple(values.get(key, ()))
    values["anchors"] = tuple(_box(anchor) for anchor in values["anchors"])
    if "scales" in values:
        values["scales"] = _box(values["scales"])
    return Said(**values)


def task_from(content: Mapping[str, Any], place: str) -> Task:
    """The task in a JSON object; `place` is for messages. Nothing at all is an unknown task.

    Raises ArtifactError where a value has not the form that `to_dict` gives.
    """
    if not content:
        return Task("unknown", "")
    try:
        pixels = content["pixels"]
        told, apart = content.get("classes_a_box", (1, 1))
        return Task(
            kind=str(content["kind"]),
            told_by=str(content["told_by"]),
            roles={str(k): tuple(map(str, v)) for k, v in content["roles"].items()},
            classes=int(content["classes"]),
            scores=str(content["scores"]),
            background=bool(content["background"]),
            labels=tuple(map(str, content["labels"])),
            labels_from=str(content["labels_from"]),
            anchors=tuple(_box(anchor) for anchor in content["anchors"]),
            scales=_box(content["scales"]),
            classes_a_box=(int(told), int(apart)),
            threshold=float(content["threshold"]),
            pixels=None if pixels is None else (float(pixels[0]), float(pixels[1])),
            pixels_told_by=str(content["pixels_told_by"]),
            fit=str(content["fit"]),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ArtifactError(
            f"{place}: 'task' is not what compile writes ({error!r}); compile the model again"
        ) from error


def _box(numbers: Any) -> Box:
    y, x, height, width = (float(number) for number in numbers)
    return y, x, height, width
