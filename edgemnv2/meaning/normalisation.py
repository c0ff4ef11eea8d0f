"""Mean and deviation of an image input, as a TFLite file's metadata have them.

The metadata (TensorFlow Lite Support's `metadata_schema.fbs`) are a FlatBuffer in a buffer of the
file: subgraph -> input tensor -> process units, one of which says `(p - mean) / std` of pixels p.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["preset_inside"]

METADATA, IDENTIFIER = b"TFLITE_METADATA", b"M001"
SUBGRAPHS, INPUTS, PROCESS_UNITS = 3, 2, 4
"""Numbers of fields: of the metadata, of a subgraph, of a tensor."""
OPTIONS_TYPE, OPTIONS, NORMALISATION = 0, 1, 1
MEAN, DEVIATION = 0, 1
NEAR = 0.02
"""Of white being 1 or 255: 127 and 128 are written where 127.5 is meant."""
_DAMAGED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, struct.error)
"""What flatbuffers and NumPy raise over bytes that contradict each other."""


def preset_inside(path: Path) -> str | None:
    """The preset that the file's metadata tell for a float image input; None where none is told.

    None too where the file is damaged, which the front end says better, and where the numbers are
    those of no preset.
    """
    import tflite

    try:
        model = tflite.Model.GetRootAs(path.read_bytes(), 0)
        graph = model.Subgraphs(0)
        first = graph.Tensors(graph.Inputs(0))
        if first.Type() != tflite.TensorType.FLOAT32:
            # The stored values stand for pixels, whatever they were before quantisation.
            return None
        for index in range(model.MetadataLength()):
            entry = model.Metadata(index)
            if entry.Name() == METADATA:
                data = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
                return _preset(data)
    except _DAMAGED:  # the front end reads the same bytes, and says what is wrong with them
        return None
    return None


def _preset(data: bytes) -> str | None:
    from flatbuffers import encode, number_types, packer, table

    if data[4:8] != IDENTIFIER:
        return None
    root = table.Table(data, encode.Get(packer.uoffset, data, 0))

    def field(owner: Any, number: int) -> int:
        return int(owner.Offset(4 + 2 * number))

    def tables(owner: Any, number: int) -> Iterator[Any]:
        at = field(owner, number)
        for item in range(owner.VectorLen(at) if at else 0):
            yield table.Table(data, owner.Indirect(owner.Vector(at) + 4 * item))

    def floats(owner: Any, number: int) -> tuple[float, ...]:
        at = field(owner, number)
        kind, start = number_types.Float32Flags, owner.Vector(at) if at else 0
        return tuple(
            float(owner.Get(kind, start + 4 * item))
            for item in range(owner.VectorLen(at) if at else 0)
        )

    for subgraph in tables(root, SUBGRAPHS):
        for tensor in tables(subgraph, INPUTS):
            for unit in tables(tensor, PROCESS_UNITS):
                kind, options = field(unit, OPTIONS_TYPE), field(unit, OPTIONS)
                if not kind or not options:
                    continue
                if unit.Get(number_types.Uint8Flags, kind + unit.Pos) == NORMALISATION:
                    said = table.Table(data, 0)
                    unit.Union(said, options)
                    return _named(floats(said, MEAN), floats(said, DEVIATION))
    return None


def _named(mean: tuple[float, ...], deviation: tuple[float, ...]) -> str | None:
    """The preset of `(p - mean) / deviation`."""
    from edgemnv2.samples.images import MEAN as COLOUR_MEAN
    from edgemnv2.samples.images import STD

    if not mean or not deviation or min(deviation) <= 0:
        return None
    presets = {
        "keras": (127.5, 127.5),
        "raw": (0.0, 1.0),
        "torchvision": (255 * COLOUR_MEAN, 255 * STD),
    }
    for name, (middle, unit) in presets.items():
        black = (np.array(mean) - middle) / unit
        scale = np.array(deviation) / unit
        if np.all(np.abs(black) <= NEAR) and np.all(np.abs(scale - 1) <= NEAR):
            return name
    return None
