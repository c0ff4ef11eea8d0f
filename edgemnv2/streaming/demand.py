"""What each step asks of the operations before it, known once for all chains of a network."""

from __future__ import annotations

from edgemnv2.program import RowOps, needed_rows

__all__ = ["Demands"]

Ask = tuple[int, int]
"""(source, count): the first `count` steps of operation `source`; of input `-1 - source`, rows."""


class Demands:
    """By operation and row: what has to be there before that step."""

    def __init__(self, rows: RowOps) -> None:
        self.rows = rows
        self.writers: dict[str, list[int]] = {}
        for index, op in enumerate(rows.ops):
            for name in op.outputs:
                self.writers.setdefault(name, []).append(index)
        self._inputs = {name: -1 - number for number, name in enumerate(rows.inputs)}
        self._askers: dict[tuple[str, int], list[tuple[int, int]]] = {}
        self._all: dict[int, list[tuple[Ask, ...]]] = {}
        self._new: dict[int, list[tuple[Ask, ...]]] = {}

    def every(self, index: int) -> list[tuple[Ask, ...]]:
        """All that each step of operation `index` needs, `[steps]`."""
        if index not in self._all:
            op, tensors = self.rows.ops[index], self.rows.tensors
            heights = tuple(tensors[read.tensor].height for read in op.reads)
            self._all[index] = [
                tuple(ask for name, wanted in needed for ask in self._asks(name, wanted, index))
                for needed in needed_rows(op, heights)
            ]
        return self._all[index]

    def new(self, index: int) -> list[tuple[Ask, ...]]:
        """`every` without what an earlier step of the same operation has asked for."""
        if index not in self._new:
            asked: dict[int, int] = {}
            found = []
            for asks in self.every(index):
                more = []
                for source, count in asks:
                    if count > asked.get(source, 0):
                        asked[source] = count
                        more.append((source, count))
                found.append(tuple(more))
            self._new[index] = found
        return self._new[index]

    def _asks(self, name: str, wanted: range, before: int) -> list[Ask]:
        """Who makes the rows `wanted` of `name`, among the writers before `before`.

        A writer whose rows another one updates is asked by that one.
        """
        key = (name, before)
        if key not in self._askers:
            ops = self.rows.ops
            preceding = [index for index in self.writers.get(name, ()) if index < before]
            changed = [n for n, index in enumerate(preceding) if ops[index].updates]
            self._askers[key] = [
                (index, at)
                for index in preceding[changed[-1] if changed else 0 :]
                for at, tensor in enumerate(ops[index].outputs)
                if tensor == name
            ]
        asks = [(self._inputs[name], wanted.stop)] if name in self._inputs else []
        for index, at in self._askers[key]:
            asks.append((index, self.rows.ops[index].steps_for(at, wanted)))
        return asks
