"""Element by element over whole rows, on every vector unit; in place if the caller wishes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgemnv2.tir.builder import Builder, load, short_vector, shuffle

__all__ = ["elementwise"]

Expr = Any


def elementwise(
    k: Builder,
    sources: Sequence[Any],
    out: Any,
    dtype: str,
    elements: int,
    sizes: Sequence[int],
    function: Callable[[list[Expr], int], Expr],
) -> None:
    """Store `function(vectors, lanes)` for all elements, by vectors of the given sizes.

    What remains goes element by element through a vector that is partly filled. (A vector moved
    back would read elements twice; but the output may be an operand, which LLVM does not know.)
    """
    done = 0
    for size in sizes:
        count = (elements - done) // size
        if count == 0:
            continue
        with k.loop(count) as i:
            at = k.let(i * size + done)
            vectors = [k.let(load(s, at, f"{dtype}x{size}")) for s in sources]
            k.store(out, at, function(vectors, size))
        done += count * size
    if done < elements:
        lanes = sizes[-1]
        vectors = [k.let(short_vector(s, done, elements, dtype, lanes)) for s in sources]
        result = k.let(function(vectors, lanes))
        for i in range(elements - done):
            k.store(out, done + i, shuffle([result], [i]))
