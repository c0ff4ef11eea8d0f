"""A binary heap in a buffer of int32, as code; the order of equal items is libstdc++'s.

Source: its `__adjust_heap`, `__heap_select`, `__sort_heap`, as the C++ standard leaves the order of
equal items open and LiteRT's partial sorts show it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import tirx

from edgemnv2.tir.builder import Builder, element, load, scalar

__all__ = ["Heap"]

Expr = Any
Item = tuple[Expr, ...]


def _number(value: int) -> Expr:
    return scalar(value, "int32")


class Heap:
    """Items of `words` int32 each, from word `start` of `buffer` on; those in front last.

    `comes_first(a, b)` is the order: the item on top is the one that comes last in it.
    """

    def __init__(
        self,
        k: Builder,
        buffer: Any,
        start: int,
        words: int,
        comes_first: Callable[[Item, Item], Expr],
    ) -> None:
        self.k, self.buffer, self.start, self.words = k, buffer, start, words
        self.comes_first = comes_first
        self._hole, self._child, self._place = (k.registers("int32", 1) for _ in range(3))

    def item(self, at: Expr) -> Item:
        """The words of item `at`, as they are now."""
        return tuple(
            self.k.let(load(self.buffer, at * self.words + (self.start + word), "int32"))
            for word in range(self.words)
        )

    def put(self, at: Expr, item: Item) -> None:
        """Make `item` item `at`."""
        for word, value in enumerate(item):
            self.k.store(self.buffer, at * self.words + (self.start + word), value)

    def sink(self, hole: Expr, size: Expr, item: Item) -> None:
        """Put `item` into the heap of `size` items, of which `hole` is free and all below heaps."""
        k, now, last = self.k, self._hole, self._child
        k.set(now, 0, hole)
        k.set(last, 0, hole)
        with k.loop_while(element(last, 0) < ((size - 1) >> _number(1))):
            second = k.let(element(last, 0) * 2 + 2)
            first = k.let(second - 1)
            earlier = self.comes_first(self.item(second), self.item(first))
            chosen = k.let(tirx.Select(earlier, first, second))
            self.put(element(now, 0), self.item(chosen))
            k.set(now, 0, chosen)
            k.set(last, 0, chosen)
        with k.when(tirx.EQ(element(last, 0) * 2 + 2, size)):
            only = k.let(size - 1)
            self.put(element(now, 0), self.item(only))
            k.set(now, 0, only)
        # Up again, as far as where it began.
        k.set(last, 0, _number(1))
        with k.loop_while(tirx.And(element(last, 0) > 0, element(now, 0) > hole)):
            parent = k.let((element(now, 0) - 1) >> _number(1))
            above = self.item(parent)
            rises = k.let(tirx.Select(self.comes_first(above, item), _number(1), _number(0)))
            k.set(last, 0, rises)
            with k.when(tirx.EQ(rises, _number(1))):
                self.put(element(now, 0), above)
                k.set(now, 0, parent)
        self.put(element(now, 0), item)

    def build(self, size: Expr) -> None:
        """Make a heap of the first `size` items."""
        k = self.k
        inner = k.let(size >> _number(1))
        with k.loop(inner) as i:
            place = k.let(inner - 1 - i)
            self.sink(place, size, self.item(place))

    def remove_top(self, size: Expr) -> None:
        """Make a heap of all but the top of `size` items, one or more; the last place gets free."""
        k = self.k
        rest = k.let(size - 1)
        with k.when(rest > 0):
            self.sink(_number(0), rest, self.item(rest))

    def sort_first(self, count: Expr, size: Expr) -> None:
        """Put the first `count` of `size` items to the front, in order; the others anywhere."""
        k = self.k
        self.build(count)
        with k.loop(size - count) as i:
            place = k.let(i + count)
            item, top = self.item(place), self.item(_number(0))
            # Without a first item there is none to give way.
            with k.when(tirx.And(count > 0, self.comes_first(item, top))):
                self.put(place, top)
                self.sink(_number(0), count, item)
        with k.loop(tirx.Max(count - 1, _number(0))) as i:
            last = k.let(count - 1 - i)
            item = self.item(last)
            self.put(last, self.item(_number(0)))
            self.sink(_number(0), last, item)
