"""The C interface of networks with several inputs and outputs: names, macros, status codes."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.codegen.interface import field_names, header
from edgemnv2.target import load_target, missing_local_features
from tests.streaming.toy_artifacts import Built, build, entry_parts
from tests.streaming.toys import TOYS

NULL, ALIGNMENT, ROWS, TOO_MANY_ROWS = -1, -2, -4, -5
NEXT_ROW = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p)


@pytest.mark.parametrize(
    ("names", "fields"),
    [
        (["serving_default_x:0"], ("input",)),
        (["image:0", "Mask"], ("image_0", "mask")),
        (["scores", "scores", "Scores"], ("scores", "scores_2", "scores_3")),
        (["default", "1st"], ("default_", "net_1st")),
    ],
)
def test_fields_are_different_c_identifiers(names: list[str], fields: tuple[str, ...]) -> None:
    assert field_names(names, "input") == fields


@pytest.mark.parametrize("io", ["arena", "input", "caller"])
def test_header_tells_every_end(
    io: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    text = header(entry_parts(TOYS["deeplab"](), load_target("mps2-an500"), io, "blocks").interface)
    for line in (
        "#define TOY_INPUT_BYTES 12675",
        '#define TOY_OUTPUT_CLASSES_DTYPE "int64"',
        "#define TOY_OUTPUT_CLASSES_TYPE int64_t",
        "#define TOY_OUTPUT_SCORES_CHANNELS 6",
        "  int64_t *classes;",
        "  const int8_t *input;",
    ):
        assert line in text.splitlines(), line
    offsets = [line for line in text.splitlines() if "_OFFSET" in line]
    assert len(offsets) == {"arena": 4, "input": 1, "caller": 0}[io]
    (tmp_path / "toy.h").write_text(text)
    strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]
    for compiler, language in (("g++", "c++"), ("gcc", "c")):
        command = [require_tool(compiler), *strict, "-x", language, str(tmp_path / "toy.h")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


class _Net:
    """A toy's library, its buffers, and pointers to them by field."""

    def __init__(self, built: Built) -> None:
        self.toy = built.toy
        self.interface = built.parts.interface
        self.library = ctypes.CDLL(str(built.folder / "lib" / "libtoy.so"))
        self.sample = self.toy.inputs(3)
        self.results = {
            name: np.zeros(self.toy.shapes[name], self.toy.dtypes.get(name, "int8"))
            for name in self.toy.rows.outputs
        }
        size = max(self.interface.arena_bytes, self.interface.stream_arena_bytes)
        self.memory = np.zeros(size + 64, np.uint8)
        self.arena = -(-self.memory.ctypes.data // 64) * 64

    def inputs(self, missing: str = "") -> Any:
        return self._pointers(self.toy.rows.inputs, self.sample, missing)

    def outputs(self, missing: str = "") -> Any:
        return self._pointers(self.toy.rows.outputs, self.results, missing)

    @staticmethod
    def _pointers(names: tuple[str, ...], arrays: dict[str, Any], missing: str) -> Any:
        found = [None if name == missing else arrays[name].ctypes.data for name in names]
        return ctypes.byref((ctypes.c_void_p * len(found))(*found))

    def run(self, inputs: Any, outputs: Any, arena: int | None = -1) -> int:
        at = ctypes.c_void_p(self.arena if arena == -1 else arena)
        return int(self.library.toy_run(inputs, outputs, at))

    def run_rows(self, rows: int, *arguments: Any) -> int:
        image = self.sample[self.toy.rows.inputs[0]]

        def give(context: Any, row: int, destination: int | None) -> int:
            if row >= rows:
                return 1
            if destination is not None:
                data = np.ascontiguousarray(image[row % len(image)])
                ctypes.memmove(destination, data.ctypes.data, data.nbytes)
            return 0

        arena = ctypes.c_void_p(self.arena)
        return int(self.library.toy_run_rows(NEXT_ROW(give), None, *arguments, arena))

    def is_right(self) -> bool:
        values = self.toy.run(self.sample)
        return all((self.results[name] == values[name]).all() for name in self.results)


def _net(name: str, io: str, folder: Path) -> _Net:
    target = load_target("host")
    if missing_local_features(target):
        pytest.skip("this processor has no AVX2")
    return _Net(build(TOYS[name](), target, folder, io, "blocks"))


def test_every_pointer_is_looked_at(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    require_tool("gcc")
    net = _net("two_inputs", "caller", tmp_path)
    for name in net.toy.rows.inputs:
        assert net.run(net.inputs(missing=name), net.outputs()) == NULL, name
    assert net.run(net.inputs(), net.outputs(missing="out")) == NULL
    assert net.run(None, net.outputs()) == NULL
    assert net.run(net.inputs(), net.outputs(), net.arena + 4) == ALIGNMENT
    assert not net.memory.any()
    assert net.run(net.inputs(), net.outputs()) == 0
    assert net.is_right()


def test_fed_rows_take_the_other_inputs(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    require_tool("gcc")
    net = _net("two_inputs", "caller", tmp_path)
    height = net.toy.shapes["image"][0]
    # The fed one's own pointer is not looked at.
    assert net.run_rows(height, net.inputs(missing="image"), net.outputs()) == 0
    assert net.is_right()
    assert net.run_rows(height, net.inputs(missing="mask"), net.outputs()) == NULL
    assert net.run_rows(height, None, net.outputs()) == NULL
    assert net.run_rows(height - 1, net.inputs(), net.outputs()) == ROWS
    assert net.run_rows(height + 1, net.inputs(), net.outputs()) == TOO_MANY_ROWS


def test_outputs_in_the_arena_may_be_left_there(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    """NULL for one of several outputs; the others are copied."""
    require_tool("gcc")
    net = _net("two_heads", "arena", tmp_path)
    assert net.run(net.inputs(), net.outputs(missing="early")) == 0
    values = net.toy.run(net.sample)
    assert (net.results["late"] == values["late"]).all()
    (early,) = (end for end in net.interface.outputs if end.field == "early")
    start = net.arena - net.memory.ctypes.data + early.offset_bytes
    left = net.memory[start : start + early.size_bytes].view(np.int8)
    assert (left.reshape(net.toy.shapes["early"]) == values["early"]).all()
    assert not net.results["early"].any()
