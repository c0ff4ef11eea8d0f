"""Damage: of bytes, and of what the bytes of a format mean.

`damaged(kind, blob, random)` is a function of its arguments alone. Half of the damage is to bytes
(a bad disk, a cut connection); half keeps the container whole and contradicts itself inside (huge
extents, cycles, swapped tables, bombs), which gets further into the compiler.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from functools import cache
from typing import Any

import h5py
import numpy as np
import onnx

__all__ = ["damaged", "damaged_bytes", "damaged_json", "damaged_onnx"]

Random = np.random.Generator
EXTREMES = (
    0, 1, -1, 2, 3, 7, 127, 128, 255, 256, -128, 65535, 65536, 1 << 20, (1 << 31) - 1, -(1 << 31),
    1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1,
)  # fmt: skip
ODD_VALUES = (
    None, True, False, "", "x", "../..", "\0", "NaN", 1e308, -1e308, float("nan"), float("inf"),
    0.5, [], {}, [[]], [1, 2, 3], *EXTREMES,
)  # fmt: skip
BOMB_BYTES = 3 << 30
"""What a bomb unpacks to: more than any file may take of memory."""
END_OF_DEFLATE = b"\x03\x00"
"""An empty last block."""


def damaged(kind: str, blob: bytes, random: Random) -> bytes:
    """One damaged file; a few are whole."""
    share = random.random()
    if share < 0.02:
        return blob
    if kind in ("log", "artifact"):
        # `originals`: a name, and for artefacts the damage is left to who has the file.
        return blob if kind == "artifact" else _named(blob, random)
    structural = _STRUCTURAL.get(kind)
    if structural is not None and share < 0.6:
        return structural(blob, random)
    return damaged_bytes(blob, random)


def damaged_bytes(blob: bytes, random: Random) -> bytes:
    """Bits, bytes, blocks, words, lengths."""
    data = bytearray(blob)
    for _ in range(int(random.integers(1, 4))):
        if not data:
            break
        at = int(random.integers(len(data)))
        length = int(random.integers(1, 65))
        match int(random.integers(8)):
            case 0:
                data[at] ^= 1 << int(random.integers(8))
            case 1:
                data[at] = int(random.integers(256))
            case 2:
                del data[at:]
            case 3:
                del data[at : at + length]
            case 4:
                other = int(random.integers(len(data)))
                data[at : at + length] = data[other : other + length]
            case 5:
                data[at:at] = random.bytes(length)
            case 6:
                _word(data, at, random)
            case _:
                _swap_words(data, at, random)
    return bytes(data)


def _word(data: bytearray, at: int, random: Random) -> None:
    """A whole word of 32 bits: an offset, index, extent or length."""
    at -= at % 4
    if at + 4 <= len(data):
        value = int(EXTREMES[int(random.integers(len(EXTREMES)))]) & 0xFFFFFFFF
        struct.pack_into("<I", data, at, value)


def _swap_words(data: bytearray, at: int, random: Random) -> None:
    """Two neighbouring small words: indices of tensors, operands, extents, tables."""
    at -= at % 4
    other = at + 4 * int(random.integers(1, 9))
    if other + 4 <= len(data):
        data[at : at + 4], data[other : other + 4] = data[other : other + 4], data[at : at + 4]


def _small_words(blob: bytes, random: Random) -> bytes:
    """TFLite: words that look like indices or extents get another's value, or an extreme one."""
    data = bytearray(blob)
    words = np.frombuffer(blob[: len(blob) // 4 * 4], "<i4")
    small = np.flatnonzero((words >= 0) & (words < 4096))
    for _ in range(int(random.integers(1, 4))):
        at = 4 * int(small[int(random.integers(len(small)))])
        if random.random() < 0.6:
            other = 4 * int(small[int(random.integers(len(small)))])
            data[at : at + 4] = data[other : other + 4]
        else:
            _word(data, at, random)
    return bytes(data)


# -- ONNX ------------------------------------------------------------------------------------------


def damaged_onnx(blob: bytes, random: Random) -> bytes:
    """A file that protobuf reads, and that contradicts itself."""
    model = onnx.load_model_from_string(blob)
    for _ in range(int(random.integers(1, 3))):
        _ONNX[int(random.integers(len(_ONNX)))](model.graph, random)
    return bytes(model.SerializeToString())


def _pick(items: Any, random: Random) -> Any:
    return items[int(random.integers(len(items)))] if len(items) else None


def _extent(graph: Any, random: Random) -> None:
    ends = [*graph.input, *graph.output, *graph.value_info]
    dims = [d for x in ends for d in x.type.tensor_type.shape.dim]
    if (dim := _pick(dims, random)) is not None:
        dim.dim_value = min(int(_pick(EXTREMES, random)), (1 << 63) - 1)


def _array_extent(graph: Any, random: Random) -> None:
    array = _pick(graph.initializer, random)
    if array is not None and array.dims:
        array.dims[int(random.integers(len(array.dims)))] = int(_pick(EXTREMES, random))


def _array_type(graph: Any, random: Random) -> None:
    if (array := _pick(graph.initializer, random)) is not None:
        array.data_type = int(random.integers(0, 24))


def _array_values(graph: Any, random: Random) -> None:
    """Constants of shapes, axes and pads, and a few weights, become extreme."""
    array = _pick(graph.initializer, random)
    if array is None or array.data_type not in (1, 2, 3, 6, 7):
        return
    try:
        values = onnx.numpy_helper.to_array(array).copy()
    except ValueError:
        return  # damaged already
    if not values.size:
        return
    flat = values.reshape(-1)
    extreme = _pick((np.nan, np.inf, -np.inf, 1e38, 1e-40, -1.0, 0.0), random)
    if values.dtype.kind != "f":
        limits = np.iinfo(values.dtype)
        extreme = min(max(int(_pick(EXTREMES, random)), limits.min), limits.max)
    flat[int(random.integers(flat.size))] = extreme
    array.CopyFrom(onnx.numpy_helper.from_array(values, array.name))


def _rewired(graph: Any, random: Random) -> None:
    """An operand from anywhere: a cycle, a type that does not suit, a tensor that is not there."""
    node = _pick(graph.node, random)
    names = [x for n in graph.node for x in n.output] + [x.name for x in graph.initializer]
    if node is not None and node.input:
        node.input[int(random.integers(len(node.input)))] = str(_pick([*names, "", "none"], random))


def _other_operator(graph: Any, random: Random) -> None:
    kinds = [
        *sorted({n.op_type for n in graph.node}),
        "Softmax", "Add", "Mul", "Conv", "Concat", "Resize", "Transpose", "Reshape", "Split",
        "Gather", "Slice", "Pad", "MaxPool", "ReduceMean", "MatMul", "Gemm", "Loop", "If",
        "ConstantOfShape", "Range", "Expand", "Tile", "Einsum", "DequantizeLinear",
    ]  # fmt: skip
    if (node := _pick(graph.node, random)) is not None:
        node.op_type = str(_pick(kinds, random))


def _attribute(graph: Any, random: Random) -> None:
    attributes = [a for n in graph.node for a in n.attribute]
    attribute = _pick(attributes, random)
    if attribute is None:
        return
    if attribute.ints:
        attribute.ints[int(random.integers(len(attribute.ints)))] = int(_pick(EXTREMES, random))
    elif attribute.type == onnx.AttributeProto.INT:
        attribute.i = int(_pick(EXTREMES, random))
    elif attribute.type == onnx.AttributeProto.FLOAT:
        attribute.f = float(_pick((0.0, -1.0, 1e38, float("nan"), float("inf")), random))
    else:
        attribute.type = int(random.integers(0, 15))


def _removed(graph: Any, random: Random) -> None:
    part = _pick([graph.node, graph.initializer, graph.input, graph.output], random)
    if len(part):
        del part[int(random.integers(len(part)))]


def _repeated(graph: Any, random: Random) -> None:
    part = _pick([graph.node, graph.initializer, graph.input, graph.output], random)
    if (item := _pick(part, random)) is not None:
        part.append(item)


def _reordered(graph: Any, random: Random) -> None:
    nodes = list(graph.node)
    random.shuffle(nodes)
    del graph.node[:]
    graph.node.extend(nodes)


def _filled(graph: Any, random: Random) -> None:
    """Shape arithmetic that makes a huge constant; the first node reads it."""
    shape = np.full(int(random.integers(1, 5)), int(_pick((1 << 12, 1 << 20, 1 << 40), random)))
    graph.initializer.append(onnx.numpy_helper.from_array(shape.astype(np.int64), "fill.shape"))
    kind = str(_pick(("ConstantOfShape", "Expand", "Tile", "Range"), random))
    inputs = {"ConstantOfShape": ["fill.shape"], "Expand": ["one", "fill.shape"]}.get(kind)
    for name, value in (("one", 1), ("zero", 0), ("many", 1 << 40)):
        graph.initializer.append(onnx.numpy_helper.from_array(np.int64(value), name))
    inputs = inputs or (["one", "fill.shape"] if kind == "Tile" else ["zero", "many", "one"])
    graph.node.insert(0, onnx.helper.make_node(kind, inputs, ["fill"], name="filled"))
    node = _pick(graph.node, random)
    if node.input:
        node.input[len(node.input) - 1] = "fill"


_ONNX = (
    _extent, _array_extent, _array_type, _array_values, _array_values, _rewired, _other_operator,
    _attribute, _attribute, _removed, _repeated, _reordered, _filled,
)  # fmt: skip

# -- JSON, HDF5, zip, TOML -------------------------------------------------------------------------


def damaged_json(content: Any, random: Random) -> Any:
    """A copy with a few values replaced, taken out, repeated or swapped."""
    content = json.loads(json.dumps(content))
    for _ in range(int(random.integers(1, 3))):
        places = list(_places(content))
        if not places:
            return content
        box, key = places[int(random.integers(len(places)))]
        match int(random.integers(5)):
            case 0:
                del box[key]
            case 1:
                other, there = places[int(random.integers(len(places)))]
                box[key] = json.loads(json.dumps(other[there]))
            case 2 if isinstance(box[key], list):
                box[key] = box[key] * 2
            case _:
                box[key] = _pick(ODD_VALUES, random)
    return content


def _places(content: Any) -> Any:
    """Every value below `content`, as a container and its key."""
    keys = (
        list(content)
        if isinstance(content, dict)
        else range(len(content))
        if isinstance(content, list)
        else ()
    )
    for key in keys:
        yield content, key
        yield from _places(content[key])


def _h5(blob: bytes, random: Random) -> bytes:
    buffer = io.BytesIO(blob)
    with h5py.File(buffer, "r+") as file:
        if random.random() < 0.6 and "model_config" in file.attrs:
            text = file.attrs["model_config"]
            config = json.loads(text)
            file.attrs["model_config"] = json.dumps(damaged_json(config, random))
        else:
            _damaged_group(file, random)
    return buffer.getvalue()


def _damaged_group(file: Any, random: Random) -> None:
    """A dataset of other values, type or extent, or one that unpacks to a bomb, or none."""
    names: list[str] = []
    file.visititems(lambda name, x: names.append(name) if isinstance(x, h5py.Dataset) else None)
    if not names:
        return
    name = str(_pick(sorted(names), random))
    values = np.asarray(file[name])
    del file[name]
    match int(random.integers(6)):
        case 0:
            pass
        case 1:
            file[name] = values.reshape(-1)[: values.size // 2]
        case 2:
            file[name] = np.full(values.shape, _pick((np.nan, np.inf, 1e38), random), np.float32)
        case 3:
            file[name] = np.array([b"text"] * 3)
        case 4:
            shape = (BOMB_BYTES // 4,)
            file.create_dataset(name, shape, np.float32, chunks=(1 << 20,), compression="gzip")
        case _:
            file[name] = values.astype(_pick((np.int8, np.float64, np.complex64), random))


def _keras(blob: bytes, random: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if "config.json" not in parts or "model.weights.h5" not in parts:
        return damaged_bytes(blob, random)
    choice = random.random()
    bomb = ""
    if choice < 0.45:
        parts["config.json"] = json.dumps(
            damaged_json(json.loads(parts["config.json"]), random)
        ).encode()
    elif choice < 0.75:
        buffer = io.BytesIO(parts["model.weights.h5"])
        with h5py.File(buffer, "r+") as file:
            _damaged_group(file, random)
        parts["model.weights.h5"] = buffer.getvalue()
    elif choice < 0.85:
        parts["model.weights.h5"] = damaged_bytes(parts["model.weights.h5"], random)
    elif choice < 0.95:
        bomb = str(_pick(sorted(parts), random))
    else:
        parts.pop(str(_pick(sorted(parts), random)))
    return _zipped(parts, bomb, random)


def _npz(blob: bytes, random: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = sorted(parts)[0]
    choice = random.random()
    if choice < 0.3:
        return _zipped(parts, name, random)
    if choice < 0.7:
        shape = tuple(int(_pick(EXTREMES, random)) for _ in range(int(random.integers(0, 5))))
        kind = str(_pick(("<f4", ">f4", "<f8", "|O", "<U9", "|b1", "<c8", "<M8[s]", "|V4"), random))
        header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
        head = header.ljust(118).encode() + b"\n"
        parts[name] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(4096)
    else:
        parts[name] = damaged_bytes(parts[name][:160], random) + parts[name][160:]
    return _zipped(parts, "", random)


def _zipped(parts: dict[str, bytes], bomb: str, random: Random) -> bytes:
    """A zip whose member `bomb` unpacks to zeros without end; it may lie about its size."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, _bomb() if name == bomb else content, zipfile.ZIP_STORED)
    blob = bytearray(buffer.getvalue())
    if bomb:
        honest = random.random() < 0.5
        _relabel(blob, bomb.encode(), BOMB_BYTES if honest else 4096)
    return bytes(blob)


@cache
def _bomb() -> bytes:
    """`BOMB_BYTES` zeros, deflated: one block that depends on no other, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (BOMB_BYTES >> 24) + END_OF_DEFLATE


def _relabel(blob: bytearray, name: bytes, size: int) -> None:
    """Say of a stored member that it is deflated and unpacks to `size` bytes."""
    for magic, method, unpacked, label in ((b"PK\x03\x04", 8, 22, 30), (b"PK\x01\x02", 10, 24, 46)):
        at = blob.find(magic)
        while at >= 0:
            if bytes(blob[at + label : at + label + len(name)]) == name:
                struct.pack_into("<H", blob, at + method, zipfile.ZIP_DEFLATED)
                struct.pack_into("<I", blob, at + unpacked, size)
            at = blob.find(magic, at + 4)


def _toml(blob: bytes, random: Random) -> bytes:
    lines = blob.decode().split("\n")
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(len(lines)))
        key, equals, _ = lines[at].partition(" = ")
        other = int(random.integers(len(lines)))
        match int(random.integers(5)):
            case 0:
                del lines[at]
            case 1:
                lines.insert(other, lines[at])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case _ if equals:
                value = _pick(
                    (*map(str, EXTREMES), '""', '"x"', '"../x"', "[]", "{}", "nan", "1e400", "-0.0",
                     "true", '["dsp"]', '"-o /etc/x"', "[[1]]", "0x7fffffffffffffff", "'\\0'"),
                    random,
                )  # fmt: skip
                lines[at] = f"{key} = {value}"
        lines = lines or [""]
    return "\n".join(lines).encode()


def _named(blob: bytes, random: Random) -> bytes:
    """A file of a tuning log behind its name."""
    name, _, content = blob.partition(b"\n")
    if random.random() < 0.5:
        return name + b"\n" + damaged_bytes(content, random)
    lines = content.decode().split("\n") if name != b"provenance.json" else [content.decode()]
    at = int(random.integers(len(lines)))
    try:
        lines[at] = json.dumps(damaged_json(json.loads(lines[at]), random))
    except ValueError:
        lines[at] = "[]"
    return name + b"\n" + "\n".join(lines).encode()


_STRUCTURAL = {
    "onnx": damaged_onnx,
    "tflite": _small_words,
    "h5": _h5,
    "keras": _keras,
    "npz": _npz,
    "toml": _toml,
}
