"""The function of a kernel as something that can be made later. Importing this imports no TVM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

__all__ = ["Code"]


class Code:
    """A kernel's function in TIR, made when it is first looked at.

    Most kernels that are scheduled are never compiled: they are looked up in a log, compared with
    other forms, or are the same code as another's.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        """`make` gives the `tir.builder.Builder` of the function, finished."""
        self._make = make

    @classmethod
    def of(cls, builder: Any) -> Code:
        """The function that `builder` has already."""
        return cls(lambda: builder)

    @cached_property
    def _made(self) -> tuple[Any, Mapping[str, Any]]:
        builder = self._make()
        return builder.function(), builder.calls

    @property
    def function(self) -> Any:
        """The PrimFunc, every parameter a flat buffer in the order of the contract above."""
        return self._made[0]

    @property
    def calls(self) -> Mapping[str, Any]:
        """What it calls besides, by symbol: PrimFuncs that kernels share, from an object of their
        own (see `Builder.call`)."""
        return self._made[1]
