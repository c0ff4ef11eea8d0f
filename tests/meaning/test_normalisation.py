"""Mean and deviation in a TFLite file's metadata, written with the FlatBuffers library itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import flatbuffers
import numpy as np
import pytest

from edgemnv2.meaning.infer import said_by_file, task_of
from edgemnv2.meaning.normalisation import preset_inside
from edgemnv2.pipeline import lower_source
from edgemnv2.task import Said
from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet

TORCH = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


def metadata(mean: tuple[float, ...], deviation: tuple[float, ...]) -> bytes:
    b = flatbuffers.Builder(0)

    def vector(offsets: list[int]) -> int:
        b.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            b.PrependUOffsetTRelative(offset)
        return int(b.EndVector())

    def table(fields: dict[int, int]) -> int:
        b.StartObject(8)
        for number, offset in fields.items():
            b.PrependUOffsetTRelativeSlot(number, offset, 0)
        return int(b.EndObject())

    numbers = [b.CreateNumpyVector(np.array(x, np.float32)) for x in (mean, deviation)]
    options = table(dict(enumerate(numbers)))
    b.StartObject(2)
    b.PrependUint8Slot(0, 1, 0)
    b.PrependUOffsetTRelativeSlot(1, options, 0)
    unit = b.EndObject()
    tensor = table({4: vector([unit])})
    subgraph = table({2: vector([tensor])})
    b.Finish(table({3: vector([subgraph])}), b"M001")
    return bytes(b.Output())


def with_metadata(model: bytes, data: bytes, require_module: Callable[[str], None]) -> bytes:
    require_module("ai_edge_litert.schema_py_generated")
    from ai_edge_litert import schema_py_generated as schema

    content = schema.ModelT.InitFromPackedBuf(model, 0)
    content.buffers.append(schema.BufferT())
    content.buffers[-1].data = np.frombuffer(data, np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = "TFLITE_METADATA", len(content.buffers) - 1
    content.metadata = [*(content.metadata or ()), entry]
    b = flatbuffers.Builder(0)
    b.Finish(content.Pack(b), b"TFL3")
    return bytes(b.Output())


@pytest.mark.parametrize(
    ("numbers", "preset"),
    [
        (((127.5,), (127.5,)), "keras"),
        (((127.0,), (128.0,)), "keras"),
        (((0.0,), (1.0,)), "raw"),
        (TORCH, "torchvision"),
        (((0.0,), (255.0,)), None),
        (((), ()), None),
        (((0.0,), (0.0,)), None),
    ],
)
def test_mean_and_deviation_tell_the_preset(
    numbers: tuple[tuple[float, ...], tuple[float, ...]],
    preset: str | None,
    tmp_path: Path,
    require_module: Callable[[str], None],
) -> None:
    file = tmp_path / "net.tflite"
    file.write_bytes(
        with_metadata(TinyMobilenet(dtype="float32").build(), metadata(*numbers), require_module)
    )
    assert preset_inside(file) == preset
    said = said_by_file(file)
    assert said.preprocess == preset
    assert said.preprocess_from == ("net.tflite's metadata" if preset else "")


def test_damaged_metadata_tell_nothing(
    tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    whole = metadata(*TORCH)
    for size in range(8, len(whole), 7):
        file = tmp_path / "net.tflite"
        file.write_bytes(
            with_metadata(TinyMobilenet(dtype="float32").build(), whole[:size], require_module)
        )
        assert preset_inside(file) in (None, "torchvision")
    file.write_bytes(b"no model")
    assert preset_inside(file) is None


def test_the_user_goes_before_the_file() -> None:
    graph = lower_source("digits")
    assert task_of(graph).pixels_told_by == "digits.onnx's metadata"
    assert task_of(graph, Said(preprocess="raw")).pixels_told_by == "preprocess=raw"
