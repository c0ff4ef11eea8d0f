"""Detections in plain loops: one pass over the scores, a heap, boxes decoded when their turn is.

A score of integers is compared with the least integer that passes; only what passed enters the
heap, in one word with its box's number (two words, of floats). The heap gives the best box, then
the next; that is decoded and held against those that are kept already, until there are enough. So
nothing is widened or decoded that nobody looks at, and memory is one word a box.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.detection_postprocess.boxes import Box, corners, overlaps, stored_box
from edgemnv2.ops.detection_postprocess.heap import Heap
from edgemnv2.ops.detection_postprocess.layer import (
    CLASS,
    COUNT,
    FIELDS,
    SCORE,
    DetectionPostprocess,
)
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, cast, element, load, reinterpret, scalar, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.settled import Settled

__all__ = ["kernels"]

Expr = Any
BOX_BITS = 23
"""Of a word that has a score of 8 bits, too."""
WORD_BYTES = 4


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The kernel of `layer` by operation name: `boxes, scores, out, scratch, anchors, zero`."""
    assert isinstance(layer, DetectionPostprocess)
    code = _Code(graph.tensor_in(layer), graph.tensor_in(layer, 1), layer)
    code.write()
    kernel = RowKernel(
        code.k.symbol,
        (layer.anchors.reshape(-1), np.zeros(1, np.int64)),
        scratch_bytes=WORD_BYTES * code.scratch_words,
        code=Code.of(code.k),
        schedule="fallback",
    )
    return {layer.name: kernel}


class _Code:
    """The function under construction, and where its scratch is what."""

    def __init__(self, boxes: Tensor, scores: Tensor, layer: DetectionPostprocess) -> None:
        self.layer, self.boxes, self.scores = layer, boxes, scores
        self.box_size = prod(boxes.shape) // layer.boxes
        self.row = prod(scores.shape) // layer.boxes
        self.background = self.row - layer.classes
        self.is_float = scores.dtype == "float32"
        self.words = 2 if self.is_float else 1
        self.key_type = "float32" if self.is_float else "int32"
        facts = {
            "ends": [(x.dtype, x.quant, prod(x.shape)) for x in (boxes, scores)],
            "boxes": layer.boxes,
            "scales": layer.scales,
            "numbers": (layer.classes, layer.detections, layer.classes_per_detection),
            "per_class": layer.detections_per_class if layer.per_class else None,
            "thresholds": (layer.score_threshold, layer.iou_threshold),
        }
        k = self.k = Builder(symbol_name("detection_postprocess", facts), scope="global")
        self.encodings = k.pointer("boxes", boxes.dtype)
        self.values = k.pointer("scores", scores.dtype)
        self.out, self.scratch = k.pointer("out", "float32"), k.pointer("scratch", "int32")
        self.anchors = k.pointer("anchors", "float32")
        self.settled = Settled(k, k.pointer("zero", "int64"))
        self.count, self.kept, self.clear = (k.registers("int32", 1) for _ in range(3))
        # Scratch, in words: the heap, then what the way of suppression needs.
        self.behind_heap = self.words * layer.boxes
        self.heap = Heap(k, self.scratch, 0, self.words, self._is_worse)
        if layer.per_class:
            own = 4 * layer.kept_per_class + 2 * layer.detections
        else:
            own = layer.classes if layer.told_classes > 1 else 0
        self.scratch_words = self.behind_heap + own

    def write(self) -> None:
        """The whole body."""
        k, layer = self.k, self.layer
        places = layer.detections * layer.classes_per_detection
        with k.loop(places * FIELDS) as i:
            k.store(self.out, i, scalar(0.0, "float32"))
        found = self._of_each_class() if layer.per_class else self._of_best_classes()
        with k.loop(places) as i:
            k.store(self.out, i * FIELDS + COUNT, cast(found, "float32"))

    # -- scores ----------------------------------------------------------------------------------

    def _score(self, box: Expr, number: Expr) -> Expr:
        """The score of a class as it is compared: a float, or the stored integer as int32."""
        at = box * self.row + (number + self.background)
        value = load(self.values, at, self.scores.dtype)
        return self.k.let(value if self.is_float else cast(value, "int32"))

    def _real(self, score: Expr) -> Expr:
        return score if self.is_float else self._dequantized(score, self.scores)

    def _dequantized(self, value: Expr, tensor: Tensor) -> Expr:
        quant = tensor.known_quant
        steps = cast(value - scalar(quant.zero_point, "int32"), "float32")
        return self.k.keep(steps * scalar(float(np.float32(quant.scale)), "float32"), "float32")

    def _passes(self, score: Expr) -> Expr:
        least = np.float32(self.layer.score_threshold)
        if self.is_float:
            return score >= scalar(float(least), "float32")
        quant, limits = self.scores.known_quant, np.iinfo(self.scores.dtype)
        stored = np.arange(limits.min, limits.max + 1)
        real = (stored - quant.zero_point).astype(np.float32) * np.float32(quant.scale)
        passing = stored[real >= least]
        return score >= scalar(int(passing[0]) if passing.size else limits.max + 1, "int32")

    def _key(self, score: Expr) -> Expr:
        """An int32 that orders scores."""
        if not self.is_float:
            return score
        # Both zeros are one score. Negative floats order as their magnitude falls.
        zero = scalar(0.0, "float32")
        same = self.k.keep(tirx.Select(tirx.EQ(score, zero), zero, score), "float32")
        bits = self.k.keep(reinterpret(same, "int32"), "int32")
        negative = bits < scalar(0, "int32")
        return tirx.Select(negative, bits ^ scalar(0x7FFFFFFF, "int32"), bits)

    def _is_worse(self, a: Any, b: Any) -> Expr:
        """Of two candidates, the lower score; of equal ones, the later box."""
        if not self.is_float:
            return a[0] < b[0]
        return tirx.Or(a[0] < b[0], tirx.And(tirx.EQ(a[0], b[0]), a[1] > b[1]))

    def _enter(self, score: Expr, box: Expr) -> None:
        """Put a box that passed behind the other candidates."""
        k, place = self.k, element(self.count, 0)
        if self.is_float:
            self.heap.put(place, (self._key(score), box))
        else:
            lowest = int(np.iinfo(self.scores.dtype).min)
            later = scalar((1 << BOX_BITS) - 1, "int32") - box
            ranked = (score - scalar(lowest, "int32")) << scalar(BOX_BITS, "int32")
            self.heap.put(place, (k.let(ranked | later),))
        k.set(self.count, 0, place + 1)

    # -- suppression -----------------------------------------------------------------------------

    def _box(self, number: Expr) -> Box:
        """The corners of a box."""
        k, at = self.k, _start(self.k, number, self.box_size)
        encoded = [k.let(load(self.encodings, at + i, self.boxes.dtype)) for i in range(4)]
        if self.boxes.dtype != "float32":
            encoded = [self._dequantized(cast(x, "int32"), self.boxes) for x in encoded]
        y, x, tall, wide = encoded
        anchor = stored_box(k, self.anchors, _start(k, number, 4), "float32")
        return corners(self.settled, (y, x, tall, wide), anchor, self.layer.scales)

    def _suppress(self, kept_at: Any, most: int, take: Any) -> None:
        """Take candidates, best first, that no kept box overlaps; `take(box number, corners)`.

        `kept_at(n)` is the `n`-th kept box.
        """
        k = self.k
        self.heap.build(k.let(element(self.count, 0)))
        k.set(self.kept, 0, scalar(0, "int32"))
        waiting = element(self.count, 0) > 0
        with k.loop_while(tirx.And(waiting, element(self.kept, 0) < most)):
            top = self.heap.item(scalar(0, "int32"))
            mask = scalar((1 << BOX_BITS) - 1, "int32")
            number = top[1] if self.is_float else k.let(mask - (top[0] & mask))
            size = k.let(element(self.count, 0))
            self.heap.remove_top(size)
            k.set(self.count, 0, size - 1)
            box = self._box(number)
            k.set(self.clear, 0, scalar(1, "int32"))
            with k.loop(k.let(element(self.kept, 0))) as i:
                over = overlaps(self.settled, kept_at(i), box, self.layer.iou_threshold)
                k.set(self.clear, 0, tirx.Select(over, scalar(0, "int32"), element(self.clear, 0)))
            with k.when(tirx.EQ(element(self.clear, 0), scalar(1, "int32"))):
                take(number, box)
                k.set(self.kept, 0, element(self.kept, 0) + 1)

    def _tell(self, place: Expr, box: Box, number: Expr, score: Expr) -> None:
        """Write one detection."""
        at = _start(self.k, place, FIELDS)
        for i, value in enumerate(box):
            self.k.store(self.out, at + i, value)
        self.k.store(self.out, at + CLASS, cast(number, "float32"))
        self.k.store(self.out, at + SCORE, self._real(score))

    # -- a box takes part once -------------------------------------------------------------------

    def _of_best_classes(self) -> Expr:
        k, layer = self.k, self.layer
        best, which = k.registers(self.key_type, 1), k.registers("int32", 1)
        k.set(self.count, 0, scalar(0, "int32"))

        def find(box: Expr) -> None:
            """The first class of the highest score."""
            k.set(best, 0, self._score(box, scalar(0, "int32")))
            k.set(which, 0, scalar(0, "int32"))
            with k.loop(layer.classes - 1) as i:
                score = self._score(box, i + 1)
                with k.when(score > element(best, 0)):
                    k.set(best, 0, score)
                    k.set(which, 0, i + 1)

        with k.loop(layer.boxes) as box:
            find(box)
            with k.when(self._passes(element(best, 0))):
                self._enter(k.let(element(best, 0)), box)

        def take(number: Expr, box: Box) -> None:
            place = _start(k, element(self.kept, 0), layer.classes_per_detection)
            if layer.told_classes == 1:
                find(number)
                self._tell(place, box, k.let(element(which, 0)), k.let(element(best, 0)))
                return

            def comes_first(a: Any, b: Any) -> Expr:
                return self._score(number, a[0]) > self._score(number, b[0])

            order = Heap(k, self.scratch, self.behind_heap, 1, comes_first)
            with k.loop(layer.classes) as i:
                order.put(i, (i,))
            order.sort_first(scalar(layer.told_classes, "int32"), scalar(layer.classes, "int32"))
            with k.loop(layer.told_classes) as i:
                (told,) = order.item(i)
                self._tell(k.let(place + i), box, told, self._score(number, told))

        def kept_at(i: Expr) -> Box:
            at = _start(k, i, layer.classes_per_detection * FIELDS)
            return stored_box(k, self.out, at, "float32")

        self._suppress(kept_at, layer.detections, take)
        return k.let(element(self.kept, 0))

    # -- every class for itself ------------------------------------------------------------------

    def _of_each_class(self) -> Expr:
        k, layer = self.k, self.layer
        boxes = self.behind_heap
        best = boxes + 4 * layer.kept_per_class
        size, place = k.registers("int32", 1), k.registers("int32", 1)
        k.set(size, 0, scalar(0, "int32"))

        def word(start: int, at: Expr) -> Expr:
            return k.let(load(self.scratch, at * 2 + start, "int32"))

        def insert(key: Expr, name: Expr) -> None:
            """Among the best of all classes, behind those that are as good."""
            last = scalar(layer.detections - 1, "int32")
            k.set(place, 0, tirx.Min(element(size, 0), last))
            full = tirx.EQ(element(size, 0), scalar(layer.detections, "int32"))
            with k.when(tirx.Or(tirx.Not(full), word(best, last) < key)):
                k.set(size, 0, tirx.Min(element(size, 0), last) + 1)
                above = k.registers("int32", 1)
                k.set(above, 0, tirx.Max(element(place, 0) - 1, scalar(0, "int32")))
                moves = load(self.scratch, element(above, 0) * 2 + best, "int32") < key
                with k.loop_while(tirx.And(element(place, 0) > 0, moves)):
                    now = k.let(element(place, 0))
                    for part in range(2):
                        moved = load(self.scratch, now * 2 + (best + part - 2), "int32")
                        k.store(self.scratch, now * 2 + (best + part), moved)
                    k.set(place, 0, now - 1)
                    k.set(above, 0, tirx.Max(now - 2, scalar(0, "int32")))
                k.store(self.scratch, element(place, 0) * 2 + best, key)
                k.store(self.scratch, element(place, 0) * 2 + (best + 1), name)

        with k.loop(layer.classes) as number:
            k.set(self.count, 0, scalar(0, "int32"))
            with k.loop(layer.boxes) as box:
                score = self._score(box, number)
                with k.when(self._passes(score)):
                    self._enter(score, box)

            def take(box: Expr, corner: Box, number: Expr = number) -> None:
                kept = k.let(element(self.kept, 0))
                for i, value in enumerate(corner):
                    bits = reinterpret(value, "int32")
                    k.store(self.scratch, kept * 4 + (boxes + i), bits)
                key = k.keep(self._key(self._score(box, number)), "int32")
                insert(key, k.let(box * layer.classes + number))

            def kept_at(i: Expr) -> Box:
                return stored_box(k, self.scratch, k.let(i * 4 + boxes), "int32")

            self._suppress(kept_at, layer.kept_per_class, take)

        found = k.let(element(size, 0))
        with k.loop(found) as i:
            name = word(best + 1, i)
            box = k.let(tirx.truncdiv(name, scalar(layer.classes, "int32")))
            number = k.let(name - box * layer.classes)
            self._tell(i, self._box(box), number, self._score(box, number))
        return found


def _start(k: Builder, number: Expr, size: int) -> Expr:
    """Where the elements of the `number`-th of things of `size` begin."""
    return k.let(number * size)
