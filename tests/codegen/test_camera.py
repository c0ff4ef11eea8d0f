"""A camera's rows through the C of an artefact, beside `edgemnv2 run` on the same picture."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemnv2.codegen.camera import CameraRows
from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Tensor
from edgemnv2.samples.images import preprocess, stored_bytes
from edgemnv2.task import FITS, Task
from tests.codegen.around_network import end, interface, library

Array = np.ndarray[Any, Any]
FORMATS = ("RGB888", "BGR888", "GREY8", "RGB565_LITTLE", "RGB565_BIG", "YUYV", "UYVY")
NEXT_ROW = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32)
SIZES = ((160, 120), (120, 161), (24, 20), (333, 40), (96, 96), (7, 5), (640, 480))
"""Width and height: landscape, portrait, as it is wanted, wide, to enlarge, to shrink."""


class Camera(ctypes.Structure):
    _fields_ = [
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("format", ctypes.c_int32),
        ("next_row", NEXT_ROW),
        ("context", ctypes.c_void_p),
        ("memory", ctypes.c_void_p),
        ("memory_bytes", ctypes.c_uint32),
        *((x, ctypes.c_int32) for x in ("rw", "rh", "left", "top", "at", "dt", "taken")),
        *((x, ctypes.c_void_p) for x in ("across", "down", "resized")),
    ]


def frame(kind: str, width: int, height: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """What a camera of that kind sends, `[H, bytes]`, and the picture, RGB `[H, W, 3]`."""
    if kind == "GREY8":
        sent = rng.integers(0, 256, (height, width), np.uint8)
        return sent, np.repeat(sent[..., np.newaxis], 3, axis=2)
    if kind in ("RGB888", "BGR888"):
        sent = rng.integers(0, 256, (height, width, 3), np.uint8)
        return sent.reshape(height, -1), sent if kind == "RGB888" else sent[..., ::-1]
    if kind.startswith("RGB565"):
        word = rng.integers(0, 1 << 16, (height, width)).astype(np.uint16)
        parts = [word >> 11, word >> 5 & 63, word & 31]
        bits = (5, 6, 5)
        picture = np.stack(
            [p << (8 - b) | p >> (2 * b - 8) for p, b in zip(parts, bits, strict=True)], axis=2
        )
        order = "<u2" if kind.endswith("LITTLE") else ">u2"
        return word.astype(order).view(np.uint8).reshape(height, -1), picture.astype(np.uint8)
    # Four bytes for two pixels; a row has room for a whole pair.
    pairs = -(-width // 2)
    sent = rng.integers(0, 256, (height, pairs, 4), np.uint8)
    first = 1 if kind == "UYVY" else 0
    luma = np.stack([sent[..., first], sent[..., first + 2]], axis=2).reshape(height, -1)
    u, v = (np.repeat(sent[..., at], 2, axis=1).astype(int) - 128 for at in (1 - first, 3 - first))
    # BT.601's factors in steps of 1/65536, halves up.
    red, green_u, green_v, blue = (round(x * 65536) for x in (1.402, 0.344136, 0.714136, 1.772))
    colours = [red * v, -green_u * u - green_v * v, blue * u]
    steps = [(luma.astype(int) * 65536 + x + 32768) // 65536 for x in colours]
    picture = np.clip(np.stack(steps, axis=2), 0, 255).astype(np.uint8)
    return sent.reshape(height, -1), picture[:, :width]


def rows_of(
    loaded: ctypes.CDLL, kind: str, sent: Array, size: tuple[int, int], tensor: Tensor
) -> Array:
    """Every row that the C makes, `[H, W, C]`; rows are looked at one at a time, as they come."""
    width, height = size
    asked: list[int] = []
    line = np.empty(sent.shape[1], np.uint8)

    @NEXT_ROW
    def next_row(_: Any, row: int) -> Any:
        asked.append(row)
        # The one before is gone.
        line[:] = sent[row]
        return line.ctypes.data

    pairs = zip(size, (tensor.width, tensor.height), strict=True)
    most = max(2 * (a // b + a // (16 * b) + 2) + 1 for a, b in pairs)
    room = 4 * tensor.width * (2 + most) + most * (4 + tensor.width * tensor.channels)
    memory = np.zeros(room + 64, np.uint8)
    memory[room:] = 0xA5
    camera = Camera(width, height, FORMATS.index(kind), next_row, None, memory.ctypes.data, room)
    out = np.zeros(tensor.shape, tensor.dtype)
    for row in range(tensor.height):
        place = ctypes.c_void_p(out[row].ctypes.data)
        assert loaded.net_preprocess_row(ctypes.byref(camera), row, place) == 0
    assert loaded.net_preprocess_row(ctypes.byref(camera), tensor.height, None) != 0
    assert (memory[room:] == 0xA5).all()
    assert asked == list(range(len(asked)))
    return out


def tensor_of(dtype: str, channels: int) -> Tensor:
    quant = {"float32": None, "int8": QuantParams(1 / 64, 5), "uint8": QuantParams(1 / 255, 0)}
    return Tensor("input", 20, 24, channels, dtype, quant[dtype])


def around(tensor: Tensor, preset: str, fit: str, folder: Path) -> ctypes.CDLL:
    quant = None if tensor.quant is None else (tensor.quant.scale, tensor.quant.zero_point)
    taken = end("input", tensor.shape, tensor.dtype, quant)
    rows = CameraRows(taken, stored_bytes(tensor, preset), fit)
    return library(interface(Task("unknown", ""), [end("o", (1, 1, 2), "int8")], rows), folder)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    ("dtype", "preset", "channels"),
    [("int8", "raw", 3), ("uint8", "keras", 1), ("float32", "torchvision", 3)],
)
def test_rows_are_those_of_the_picture(
    dtype: str, preset: str, channels: int, fit: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(8)
    tensor = tensor_of(dtype, channels)
    loaded = around(tensor, preset, fit, tmp_path)
    for kind in FORMATS:
        for size in SIZES if kind in ("RGB888", "YUYV") else SIZES[:2]:
            sent, picture = frame(kind, *size, rng)
            expected = preprocess(Image.fromarray(picture), tensor, preset, fit)
            got = rows_of(loaded, kind, sent, size, tensor)
            np.testing.assert_array_equal(got, expected, err_msg=f"{kind} {size}")


def test_memory_that_is_too_small_gives_no_row(tmp_path: Path) -> None:
    tensor = tensor_of("int8", 3)
    loaded = around(tensor, "raw", "crop", tmp_path)
    memory, out = np.zeros(64, np.uint8), np.zeros(tensor.shape[1:], np.int8)
    camera = Camera(
        160, 120, 0, NEXT_ROW(lambda context, row: None), None, memory.ctypes.data, len(memory)
    )
    place = ctypes.c_void_p(out.ctypes.data)
    assert loaded.net_preprocess_row(ctypes.byref(camera), 0, place) != 0
    assert loaded.net_preprocess_row(None, 0, place) != 0


def test_a_camera_that_stops_gives_no_row(tmp_path: Path) -> None:
    tensor = tensor_of("int8", 3)
    loaded = around(tensor, "raw", "stretch", tmp_path)
    memory, out = np.zeros(1 << 16, np.uint8), np.zeros(tensor.shape[1:], np.int8)
    stopped = NEXT_ROW(lambda context, row: None)
    camera = Camera(160, 120, 0, stopped, None, memory.ctypes.data, len(memory))
    place = ctypes.c_void_p(out.ctypes.data)
    assert loaded.net_preprocess_row(ctypes.byref(camera), 0, place) != 0
