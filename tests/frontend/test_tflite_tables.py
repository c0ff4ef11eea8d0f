"""TFLite files in the forms of every writer: where an operator's number and constants stand."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite

from edgemnv2.check.source import check_source
from edgemnv2.errors import ModelError
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.samples.inputs import random_set
from tests.networks.tflite_net import TfliteNet

MARK = 0xABCDEF00
"""In the place of an offset that is known once the tables are written."""


class WriterNet(TfliteNet):
    """A network whose codes have only some `fields`, and whose constants lie behind the tables."""

    def __init__(self, fields: str, behind: bool) -> None:
        super().__init__()
        self.fields, self.behind = fields, behind
        self.arrays: list[bytes] = []

    def _code(self, b: Any, name: str) -> int:
        number = getattr(tflite.BuiltinOperator, name)
        tflite.OperatorCodeStart(b)
        if "old" in self.fields:
            tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(number, 127))
        if "new" in self.fields:
            tflite.OperatorCodeAddBuiltinCode(b, number)
        tflite.OperatorCodeAddVersion(b, self._version(name))
        return int(tflite.OperatorCodeEnd(b))

    def _buffer(self, b: Any, array: Any) -> int:
        if array is None or not self.behind:
            return super()._buffer(b, array)
        self.arrays.append(array.tobytes())
        tflite.BufferStart(b)
        tflite.BufferAddOffset(b, MARK + len(self.arrays))
        tflite.BufferAddSize(b, array.nbytes)
        return int(tflite.BufferEnd(b))

    def file(self, inputs: list[int], outputs: list[int]) -> bytes:
        """The tables, then the constants, each at a multiple of 16."""
        found = bytearray(self.build(inputs, outputs))
        for number, array in enumerate(self.arrays, 1):
            found += bytes(-len(found) % 16)
            place = found.index(struct.pack("<Q", MARK + number))
            found[place : place + 8] = struct.pack("<Q", len(found))
            found += array
        return bytes(found)


def _file(fields: str, behind: bool) -> bytes:
    """MUL (18), SUB (41), QUANTIZE (114), DEQUANTIZE (6): none of them is ADD, whose number is 0.

    Files of the old field alone can have these, all being below 127.
    """
    random, net = np.random.default_rng(0), WriterNet(fields, behind)
    x = net.tensor((1, 5, 6, 3), name="x")
    scaled, less, y = (net.tensor((1, 5, 6, 3), name=name) for name in ("scaled", "less", "y"))
    stored = net.tensor((1, 5, 6, 3), "int8", 0.05, 3, name="stored")
    factor = net.constant(random.normal(size=3).astype(np.float32))
    rest = net.constant(random.normal(size=(1, 5, 6, 3)).astype(np.float32))
    net.add("MUL", [x, factor], [scaled], "MulOptions")
    net.add("SUB", [scaled, rest], [less], "SubOptions")
    net.add("QUANTIZE", [less], [stored])
    net.add("DEQUANTIZE", [stored], [y])
    return net.file([x], [y])


@pytest.mark.parametrize("behind", [False, True], ids=["inside", "behind"])
@pytest.mark.parametrize("fields", ["old", "new", "old new"])
def test_they_are_read_as_litert_reads_them(
    fields: str, behind: bool, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    path = tmp_path / "net.tflite"
    path.write_bytes(_file(fields, behind))
    graph = lower(load_model(path))
    assert check_source(graph, path, random_set(graph, 3, 0).arrays).passed


def test_a_constant_behind_the_end_is_told_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(_file("new", behind=True)[:-4])
    with pytest.raises(ModelError, match="damaged or truncated"):
        load_model(path)
