"""Answers of slow searches, kept: a compile asks several times for each layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from edgemnv2.arithmetic.requantize import Requantize

__all__ = ["Known"]

Answer = TypeVar("Answer")
_MOST = 256


class Known(Generic[Answer]):
    """Answers about a requantisation, by the values of all that they depend on."""

    def __init__(self) -> None:
        self._answers: dict[tuple[Any, ...], Answer] = {}

    def of(
        self,
        requantize: Requantize,
        arrays: Sequence[Any],
        others: tuple[Any, ...],
        search: Callable[[], Answer],
    ) -> Answer:
        """What `search` finds of `requantize`, `arrays` (or None in their place) and `others`."""
        every = (requantize.multiplier, requantize.shift, requantize.addend, *arrays)
        bytes_ = (None if x is None else (x.dtype.str, x.tobytes()) for x in every)
        question = (requantize.rounding, *others, *bytes_)
        if question not in self._answers:
            if len(self._answers) == _MOST:
                self._answers.clear()
            self._answers[question] = search()
        return self._answers[question]
