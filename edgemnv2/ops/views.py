"""How a source tensor of any rank lies in memory: as a map `[H, W, C]`, its axes in some order.

A transpose or reshape in a model file is mostly another view of the same bytes: a `View` says which
map a tensor is, in which order its axes lie there, and which shape the source gives it. Data moves
only where an operator wants another arrangement than a view can say; `Views` then adds a node that
moves it.

Constants stay in the source's terms until the operator that uses them asks for them arranged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from edgemnv2.errors import ModelError, UnsupportedOperator
from edgemnv2.ops.flow import Constant, Flow, Node

__all__ = ["View", "Views", "map_indices"]

Shape = tuple[int, ...]
Map = tuple[int, int, int]

NHWC = (0, 1, 2, 3)
NCHW = (0, 2, 3, 1)
"""Order in memory of the axes of `[N, C, H, W]`: what is logically second lies innermost."""
MOST_ROWS = (1 << 16) - 3
"""A row's number has 16 bits in the generated tables; the last two stand for something else."""


@dataclass(frozen=True)
class View:
    """Tensor `name` of shape `map` in memory, seen as `shape`; `order[i]` is the i-th axis there.

    The map is a grouping of the ordered axes: its elements in row-major order are those of `shape`
    transposed by `order`.
    """

    name: str
    map: Map
    shape: Shape
    order: tuple[int, ...]
    before: View | None = None
    """Set where `shape` needs another order than memory has: what it is reshaped from. Whoever can
    read `before` instead (a matrix product, by its weights) spares the data a move."""

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.map[0] * self.map[1]

    @property
    def memory(self) -> Shape:
        """Extents in the order in which they lie in memory, without those of 1."""
        return tuple(self.shape[axis] for axis in self.order if self.shape[axis] != 1)

    @property
    def is_plain(self) -> bool:
        """Whether memory is the source's own row-major order."""
        moved = [axis for axis in self.order if self.shape[axis] != 1]
        return moved == sorted(moved)

    def lies_as(self, order: tuple[int, ...]) -> bool:
        """Whether memory has the axes in `order`, those of extent 1 aside."""
        mine = [axis for axis in self.order if self.shape[axis] != 1]
        return mine == [axis for axis in order if self.shape[axis] != 1]

    def permuted(self, axes: tuple[int, ...]) -> View:
        """The same memory, its axes numbered anew: axis `i` is what was axis `axes[i]`."""
        where = {old: new for new, old in enumerate(axes)}
        return replace(
            self,
            shape=tuple(self.shape[axis] for axis in axes),
            order=tuple(where[axis] for axis in self.order),
        )

    def reshaped(self, shape: Shape) -> View | None:
        """The same memory seen as `shape`; None where no order of the new axes says it.

        Old and new axes fall into the smallest groups of equal size. A group may be reshaped where
        its old axes lie one behind the other in memory; groups keep their places.
        """
        if self.is_plain:
            return replace(self, shape=shape, order=tuple(range(len(shape))))
        groups = _groups(self.shape, shape)
        position = {axis: i for i, axis in enumerate(self.order)}
        placed: list[tuple[int, tuple[int, ...]]] = []
        units: list[int] = []
        for old, new in groups:
            places = [position[axis] for axis in old if self.shape[axis] != 1]
            real = [axis for axis in new if shape[axis] != 1]
            units += [axis for axis in new if shape[axis] == 1]
            if not places:
                continue
            between = self.order[min(places) : max(places) + 1]
            whole = len([axis for axis in between if self.shape[axis] != 1]) == len(places)
            if places != sorted(places) or not whole:
                return None
            placed.append((places[0], tuple(real)))
        order = [axis for _, axes in sorted(placed) for axis in axes]
        return replace(self, shape=shape, order=(*units, *order))


def _groups(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]]:
    """The smallest runs of old and new axes that hold equally many elements."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        mine: list[int] = []
        theirs: list[int] = []
        a = b = 1
        while (not mine and not theirs) or a != b:
            if (a <= b and i < len(old)) or j >= len(new):
                a, mine, i = a * old[i], [*mine, i], i + 1
            else:
                b, theirs, j = b * new[j], [*theirs, j], j + 1
        groups.append((mine, theirs))
    return groups


def map_indices(
    indices: Sequence[Sequence[int]], extents: Sequence[int]
) -> dict[str, tuple[int, ...]]:
    """Index lists per axis, in memory's order, as lists of rows, columns and channels.

    Axes in front of the last three belong to the rows.
    """
    lists = [[0]] * (3 - len(indices)) + [list(taken) for taken in indices[-3:]]
    height = extents[-3] if len(extents) >= 3 else 1
    for taken, extent in zip(indices[:-3][::-1], extents[:-3][::-1], strict=True):
        lists[0] = [i * height + row for i in taken for row in lists[0]]
        height *= extent
    names = ("rows", "columns", "channels")
    return {name: tuple(taken) for name, taken in zip(names, lists, strict=True)}


class Views:
    """The views of a flow's tensors, and the nodes on maps that operators make of them."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.nodes: list[Node] = []
        self.shapes: dict[str, Map] = {}
        self.dtypes: dict[str, str] = dict(flow.dtypes)
        self._views: dict[str, View] = {}
        self._moved: dict[tuple[str, str, Map], str] = {}
        self._makers: dict[str, Node] = {}

    # -- what there is ---------------------------------------------------------------------------

    def shape(self, name: str) -> Shape:
        """The source's shape of a tensor."""
        return self.flow.shapes[name]

    def view(self, node: Node, index: int = 0) -> View:
        """The view of operand `index`, which must be an activation."""
        name = node.inputs[index]
        if not isinstance(name, str):
            raise self.refuse(node, f"operand {index} is a constant; export the model again")
        return self.of(name)

    def of(self, name: str) -> View:
        """The view of a tensor, in an order of its axes."""
        view = self._views[name]
        if view.before is not None:
            plain = self.plain(view.before).reshaped(view.shape)
            assert plain is not None
            self._views[name] = view = plain
        return view

    def unsettled(self, name: str) -> View:
        """The view of a tensor, which may still be a reshape (`View.before`)."""
        return self._views[name]

    def root(self, name: str) -> str:
        """The tensor in memory that `name` is a view of; itself where there is none."""
        view = self._views.get(name)
        if view is None:
            return name
        return view.name if view.before is None else view.before.name

    def constant(self, node: Node, index: int) -> Constant:
        """Operand `index`, which must be a constant."""
        value = node.inputs[index]
        if not isinstance(value, Constant):
            raise self.refuse(node, f"operand {index} is computed; export it as a constant")
        return value

    def refuse(self, node: Node, why: str) -> UnsupportedOperator:
        """What to raise where `node` cannot be done."""
        shape = list(self.flow.shapes[node.output])
        return UnsupportedOperator(
            f"{self.flow.source}: {node.place or node.op} with output shape {shape}: {why}"
        )

    def unusual_orders(self) -> dict[str, tuple[int, ...]]:
        """Of what is made in neither the source's order nor with the second axis innermost."""
        found = {}
        for name, view in self._views.items():
            if view.name != name or name not in self._makers:
                continue
            axes = tuple(range(len(view.order)))
            second_last = (*axes[:1], *axes[2:], *axes[1:2])
            if not view.is_plain and not view.lies_as(second_last):
                found[name] = view.order
        return found

    # -- what is made ----------------------------------------------------------------------------

    def declare(self, name: str, view: View) -> None:
        """Tensor `name` is `view`: one more view of a map that exists."""
        self._views[name] = view

    def declare_input(self, name: str, map_: Map, order: tuple[int, ...]) -> None:
        """An input of the network."""
        self._expect_rows(name, map_)
        self.shapes[name] = map_
        self._views[name] = View(name, map_, self.flow.shapes[name], order)

    def emit(self, node: Node, map_: Map, order: tuple[int, ...]) -> None:
        """A node on maps that makes `node.output`: `map_` in memory, its axes in `order`.

        ModelError where the file gives the output another shape.
        """
        self.expect_size(node, prod(map_))
        shape = self.flow.shapes[node.output]
        if len(shape) != len(order):
            raise ModelError(
                f"{self.flow.source}: {node.place or node.op}: the file gives the output the shape "
                f"{list(shape)}, of {len(order)} dimensions expected; export the model again"
            )
        self._add(node, map_, self.dtypes[node.output])
        self._views[node.output] = View(node.output, map_, self.flow.shapes[node.output], order)

    def declare_plain(self, name: str) -> None:
        """A tensor that nothing makes, in the source's own order."""
        shape = self.flow.shapes[name]
        order = tuple(range(len(shape)))
        self.shapes[name] = self.map_of(shape, order)
        self._views[name] = View(name, self.shapes[name], shape, order)

    def _expect_rows(self, name: str, map_: Map) -> None:
        """ModelError for more rows than the row program's tables count."""
        if map_[0] > MOST_ROWS:
            raise ModelError(
                f"{self.flow.source}: tensor {name!r} has {map_[0]} rows in memory (must be "
                f"{MOST_ROWS} or fewer); export the model with a smaller input"
            )

    def expect_size(self, node: Node, elements: int) -> None:
        """ModelError where the file's shape of the output does not hold so many elements."""
        shape = self.flow.shapes[node.output]
        if prod(shape) != elements or min(shape, default=1) < 1:
            raise ModelError(
                f"{self.flow.source}: {node.place or node.op}: the file gives the output the shape "
                f"{list(shape)}, but it has {elements} elements (damaged, or exported with another "
                "input size); export the model again"
            )

    def emit_like(self, node: Node, view: View) -> None:
        """A node whose output lies as `view` does: elementwise operators."""
        self.emit(node, view.map, view.order)

    # -- arranging -------------------------------------------------------------------------------

    def as_image(self, view: View, layout: str) -> View:
        """`view` as one image `[1, H, W, C]` or `[1, C, H, W]`, its map being that image's."""
        order = NHWC if layout == "NHWC" else NCHW
        height, width, channels = (view.shape[axis] for axis in order[1:])
        return self.arranged(view, order, (height, width, channels))

    def channels_last(self, view: View, axis: int) -> View:
        """`view` with `axis` innermost in memory and alone in the map's channels."""
        order = view.order
        if view.shape[axis] == 1:
            # One of extent 1 lies anywhere; what is made of it may have another extent.
            order = (*(a for a in order if a != axis), axis)
        elif not view.memory or order[-1] != axis:
            last = [a for a in order if view.shape[a] != 1][-1]
            if last != axis:
                order = (*(a for a in range(len(view.shape)) if a != axis), axis)
        if view.map[2] == view.shape[axis] and order == view.order:
            return view
        return self.arranged(view, order, self.map_of(view.shape, order, view.shape[axis]))

    def plain(self, view: View) -> View:
        """`view` in the source's own row-major order."""
        if view.is_plain:
            return replace(view, order=tuple(range(len(view.shape))))
        order = tuple(range(len(view.shape)))
        return self.arranged(view, order, self.map_of(view.shape, order))

    def like(self, view: View, other: View) -> View:
        """`view`, of the shape that `other` has, in the memory order and map of `other`."""
        return self.arranged(view, other.order, other.map)

    def map_of(self, shape: Shape, order: tuple[int, ...], channels: int | None = None) -> Map:
        """A map for axes that lie in `order`: the innermost is the channels, the next the width."""
        extents = [shape[axis] for axis in order]
        extents = [1] * (4 - len(extents)) + extents
        if channels is not None:
            total = prod(extents)
            while len(extents) > 1 and extents[-1] == 1 and channels != 1:
                extents.pop()
            if extents[-1] != channels:
                extents = [1, 1, total // max(channels, 1), channels]
        extents = [1] * (3 - len(extents)) + extents
        return prod(extents[:-2]), extents[-2], extents[-1]

    def arranged(self, view: View, order: tuple[int, ...], map_: Map) -> View:
        """`view` with its axes in `order` and as `map_`; data moves where it has to."""
        if view.lies_as(order) and view.map == map_:
            return replace(view, order=order)
        maker = self._makers.get(view.name)
        if maker is not None and maker.op == "dequantize":
            # What is stored moves, so that the operator in front finds it dequantised.
            return self._dequantized(maker, view, order, map_)
        if view.lies_as(order):
            key = (view.name, "reshape", map_)
            if key not in self._moved:
                self._moved[key] = self._move("reshape", view, map_, {})
            return replace(view, name=self._moved[key], map=map_, order=order)
        mine = [axis for axis in view.order if view.shape[axis] != 1]
        wanted = [axis for axis in order if view.shape[axis] != 1]
        axes = tuple(mine.index(axis) for axis in wanted)
        key = (view.name, f"transpose {view.memory} {axes}", map_)
        if key not in self._moved:
            attrs = {"memory": view.memory, "axes": axes}
            self._moved[key] = self._move("transpose", view, map_, attrs)
        return replace(view, name=self._moved[key], map=map_, order=order)

    def _dequantized(self, maker: Node, view: View, order: tuple[int, ...], map_: Map) -> View:
        stored = self.arranged(replace(view, name=maker.tensors[0]), order, map_)
        key = (stored.name, f"dequantize to {view.name}", map_)
        if key not in self._moved:
            name = f"{view.name}.moved{len(self._moved)}"
            moved = replace(maker.with_input(0, stored.name), output=name)
            self._add(moved, map_, "float32")
            self._moved[key] = name
        return replace(stored, name=self._moved[key])

    def repeated(self, view: View, shape: Shape, order: tuple[int, ...]) -> View:
        """`view` with its axes in `order`, those of 1 repeated to what `shape` has there."""
        view = self.arranged(view, order, self.map_of(view.shape, order))
        extents = [view.shape[axis] for axis in order]
        wanted = [shape[axis] for axis in order]
        pairs = zip(extents, wanted, strict=True)
        indices = [range(e) if e == n else [0] * n for e, n in pairs]
        lists = map_indices(indices, extents)
        height, width, channels = (len(taken) for taken in lists.values())
        map_ = height, width, channels
        name = f"{view.name}.select{len(self._moved)}"
        self._moved[view.name, f"repeated to {wanted}", map_] = name
        self._add(Node("select", (view.name,), name, lists), map_, self.dtypes[view.name])
        return View(name, map_, shape, order)

    def _move(self, op: str, view: View, map_: Map, attrs: Mapping[str, object]) -> str:
        name = f"{view.name}.{op}{len(self._moved)}"
        self._add(Node(op, (view.name,), name, dict(attrs)), map_, self.dtypes[view.name])
        return name

    def _add(self, node: Node, map_: Map, dtype: str) -> None:
        self._expect_rows(node.output, map_)
        self.nodes.append(node)
        self._makers[node.output] = node
        self.shapes[node.output] = map_
        self.dtypes[node.output] = dtype

    def vector(self, node: Node, index: int, view: View, axis: int) -> Constant:
        """Constant operand `index` as one value for each of `axis`, or a single one."""
        constant = self.constant(node, index)
        if constant.values.size == 1:
            return constant.reshape((1,))
        rank = len(view.shape)
        shape = (1,) * (rank - constant.values.ndim) + constant.values.shape
        if shape[axis] != constant.values.size:
            shape_ = list(constant.values.shape)
            raise self.refuse(
                node, f"a constant of {shape_} is not one per channel; export the model again"
            )
        return constant.reshape((constant.values.size,))

    def spread(self, node: Node, constant: Constant, view: View) -> tuple[Constant, View]:
        """A constant that is broadcast to `view`, as `[1]`, `[C]` or a whole map.

        And the view that it suits: where it has one value for each of an axis, that is innermost.
        """
        if constant.values.size == 1:
            return constant.reshape((1,)), view
        rank = len(view.shape)
        shape = (1,) * (rank - constant.values.ndim) + constant.values.shape
        axes = [axis for axis in range(rank) if shape[axis] != 1]
        if len(shape) != rank or any(shape[axis] != view.shape[axis] for axis in axes):
            raise self.refuse(
                node,
                f"a constant of {list(constant.values.shape)} does not broadcast to "
                f"{list(view.shape)}; export the model again",
            )
        if len(axes) == 1:
            view = self.channels_last(view, axes[0])
            return constant.reshape((shape[axes[0]],)), view
        whole = np.broadcast_to(constant.reshape(shape).values, view.shape)
        if constant.per_axis:
            raise self.refuse(
                node,
                "a constant with one scale per channel spreads over a map; quantise it per tensor",
            )
        arranged = np.ascontiguousarray(np.transpose(whole, view.order)).reshape(view.map)
        return replace(constant, values=arranged, axis=0), view
