"""What the JSON of each verb looks like, as far as a report or a comparison reads it.

Files come from disks, from other versions, from scripts in between: what is read of them is looked
at first, so that a part of another kind is told by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgemnv2.errors import InputError

__all__ = ["ARTIFACTS", "FIGURES", "KINDS", "Shape", "check_shape"]


@dataclass(frozen=True)
class _Plain:
    """One value; `words` say what is expected."""

    words: str
    suits: Callable[[Any], bool]


@dataclass(frozen=True)
class _Keys:
    """An object: shapes by key. Keys of `needed` must be there, others may be null or missing."""

    shapes: Mapping[str, Shape]
    needed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Each:
    """A list, or an object (`named`), of values of one shape."""

    shape: Shape
    named: bool = False


Shape = _Plain | _Keys | _Each | tuple["Shape", ...]
"""A tuple has alternatives, of which the first is the one that is told."""


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


NUMBER = _Plain("a finite number", lambda x: _is_number(x) and math.isfinite(x))
ERROR = _Plain("a number", _is_number)
"""Of outputs that are no numbers it is infinite."""
ABOVE_ZERO = _Plain("a number above 0", lambda x: NUMBER.suits(x) and x > 0)
TEXT = _Plain("a text", lambda x: isinstance(x, str))
TRUTH = _Plain("true or false", lambda x: isinstance(x, bool))
PAIR = _Plain(
    "a pair of numbers", lambda x: isinstance(x, list) and [*map(NUMBER.suits, x)] == [True] * 2
)
ANYTHING = _Plain("anything", lambda x: True)
_LISTED = _Each(ANYTHING), _Each(ANYTHING, named=True)
COUNT = (NUMBER, *_LISTED)
"""A count, or what is counted."""


def _keys(needed: str, /, **shapes: Shape) -> _Keys:
    return _Keys(shapes, frozenset(needed.split()))


_COSTS = dict.fromkeys(("value", "median", "instructions", "cycles", "seconds", "bytes"), NUMBER)
_LAYERS = _Each(_keys("name", name=TEXT, **_COSTS))
_CYCLES = dict.fromkeys(("pipeline", "bound", "memory", "instructions"), NUMBER)
_LABELLED = _Each(_keys("label score", label=TEXT, score=NUMBER))
_OUTPUT = _keys(
    "name passed exact different elements max_abs_error tolerance",
    name=TEXT,
    passed=TRUTH,
    exact=TRUTH,
    different=NUMBER,
    elements=NUMBER,
    max_abs_error=ERROR,
    tolerance=NUMBER,
)
_PICTURE = _keys(
    "",
    picture=TEXT,
    drawn=TEXT,
    classes=_LABELLED,
    detections=_LABELLED,
    centroids=_LABELLED,
    shares=_Each(NUMBER, named=True),
    embedding=_Each(NUMBER),
    neighbours=_Each(_keys("name similarity", name=TEXT, similarity=NUMBER)),
)

KINDS: Mapping[str, Shape] = {
    "verify": _keys(
        "passed samples",
        artifact=TEXT,
        target=TEXT,
        passed=TRUTH,
        samples=NUMBER,
        max_abs_error=ERROR,
        top1_agreement=NUMBER,
        top1=NUMBER,
        top5=NUMBER,
        outputs=_Each(_OUTPUT),
    ),
    "bench": _keys(
        "metric median",
        artifact=TEXT,
        target=TEXT,
        metric=TEXT,
        median=NUMBER,
        p95=NUMBER,
        samples=NUMBER,
        threads=NUMBER,
        layers=_LAYERS,
        against=_Each(_keys("", median=NUMBER, ratio=NUMBER), named=True),
    ),
    "cycles": _keys(
        "metric cycles limit",
        target=TEXT,
        metric=TEXT,
        cycles=NUMBER,
        limit=TEXT,
        layers=_LAYERS,
        against=_Each(_keys("cycles", cycles=ABOVE_ZERO, **_CYCLES), named=True),
        **_CYCLES,
    ),
    "caches": _keys(
        "",
        target=TEXT,
        l1_missed_bytes=_Each(NUMBER, named=True),
        l2_missed_bytes=_Each(NUMBER, named=True),
    ),
    "tune": _keys(
        "trials records",
        target=TEXT,
        metric=TEXT,
        trials=NUMBER,
        records=COUNT,
        tasks=COUNT,
        rejected=COUNT,
        best_before=NUMBER,
        best_after=NUMBER,
        curve=_Each((NUMBER, PAIR)),
    ),
    "quantize": _keys("scheme calibration_samples", scheme=ANYTHING, calibration_samples=ANYTHING),
    "run": _keys("pictures", artifact=TEXT, pictures=_Each(_PICTURE)),
}
"""By the words of `load.Result`."""

_SIZES = ("arena", "stream_arena", "constants", "code", "stack")
FIGURES = _keys(
    "",
    name=TEXT,
    artifact=TEXT,
    target=TEXT,
    passed=TRUTH,
    metric=TEXT,
    top1=NUMBER,
    top5=NUMBER,
    top1_agreement=NUMBER,
    layers=_LAYERS,
    **{f"{name}_bytes": NUMBER for name in _SIZES},
    **dict.fromkeys(("median", "instructions", "cycles", "seconds"), (NUMBER, *_LISTED)),
)
"""What `compile`, `verify` and `bench` print, as far as a comparison reads it."""

ARTIFACTS = _keys(
    "artifacts",
    artifacts=_Each(
        _keys(
            "manifest",
            manifest=_Each(ANYTHING, named=True),
            results=_Each(
                _keys("kind content", kind=TEXT, content=_Each(ANYTHING, named=True)),
            ),
        )
    ),
)
"""The data in a page of `report`."""


def check_shape(content: Any, shape: Shape, file: str) -> None:
    """InputError, with the place and what is expected there, where `content` is of another kind."""
    found = _fault(content, shape, "")
    if found is not None:
        where, value, wanted = found
        said = "missing" if value is _MISSING else f"{value!r:.40}"
        raise InputError(
            f"{file}: {where or 'the whole'} is {said}, expected {wanted}; print it anew with the "
            "verb's --json"
        )


_MISSING = object()


def _fault(value: Any, shape: Shape, where: str) -> tuple[str, Any, str] | None:
    """Place, value and what is wanted there, of the first that does not suit."""
    if isinstance(shape, _Plain):
        return None if shape.suits(value) else (where, value, shape.words)
    if isinstance(shape, tuple):
        faults = [_fault(value, each, where) for each in shape]
        return None if None in faults else faults[0]
    if isinstance(shape, _Each):
        return _fault_of_each(value, shape, where)
    if not isinstance(value, Mapping):
        return where, value, "an object"
    for key, inner in shape.shapes.items():
        place = f"{where}.{key}" if where else key
        part = value.get(key)
        if part is None and key not in shape.needed:
            continue
        if key not in value:
            return place, _MISSING, _words(inner)
        fault = _fault(part, inner, place)
        if fault is not None:
            return fault
    return None


def _fault_of_each(value: Any, shape: _Each, where: str) -> tuple[str, Any, str] | None:
    if not isinstance(value, Mapping if shape.named else list):
        return where, value, _words(shape)
    parts = value.items() if isinstance(value, Mapping) else enumerate(value)
    faults = (_fault(part, shape.shape, f"{where}[{key}]") for key, part in parts)
    return next((fault for fault in faults if fault is not None), None)


def _words(shape: Shape) -> str:
    if isinstance(shape, _Plain):
        return shape.words
    if isinstance(shape, tuple):
        return _words(shape[0])
    return "a list" if isinstance(shape, _Each) and not shape.named else "an object"
