"""Files of arrays (`.npz`): written alike everywhere, read though nobody vouches for them.

The headers that NumPy writes depend on the release of Python and on the system; here equal arrays
give equal bytes. Of a file from elsewhere a header may lie, and a zip may be a bomb: NumPy
allocates what a header says, reads what is no array as a whole, and evaluates headers as Python;
here every size is held against the file before anything is unpacked.
"""

from __future__ import annotations

import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_npz", "write_npz"]

MOST_RATIO = 200
"""Deflate reaches 1000 on zeros; arrays of measured or trained numbers stay below 20."""
SMALL_BYTES = 1 << 26
"""Whatever its ratio, this much does no harm."""
BLOCK_BYTES = 1 << 20
_SYMPTOMS = (
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,  # of zipfile: a way of packing that it lacks
    OverflowError,
    RuntimeError,  # of zipfile: encrypted
    SyntaxError,
    TypeError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def write_npz(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write `arrays` in their order, under whatever names, as `numpy.load` reads them."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, np.asanyarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")  # of 1980: no date
            entry.external_attr = 0o100644 << 16
            # Otherwise the making system's number.
            entry.create_system = 3
            archive.writestr(entry, data.getbuffer())


def read_npz(path: str | Path) -> dict[str, NDArray[Any]]:
    """Name -> array. Raises OSError where the file cannot be read, ValueError with the reason."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = Path(path).stat().st_size
            return {
                info.filename.removesuffix(".npy"): _member(archive, info, size)
                for info in archive.infolist()
            }
    except _SYMPTOMS as error:
        reason = str(error) if isinstance(error, zipfile.BadZipFile) else type(error).__name__
        raise ValueError(f"damaged or truncated: {reason}") from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, archive_bytes: int) -> NDArray[Any]:
    packed, unpacked = info.compress_size, info.file_size
    if packed > archive_bytes or unpacked > max(MOST_RATIO * packed, SMALL_BYTES):
        raise ValueError(
            f"{info.filename!r} would unpack from {packed} to {unpacked} bytes, which no numbers do"
        )
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{info.filename!r} has array format {version[0]}.{version[1]}")
        header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran_order, dtype = header(file)
        if dtype.hasobject:
            raise ValueError(f"{info.filename!r} holds Python objects instead of numbers")
        said = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or said != unpacked - file.tell():
            raise ValueError(
                f"{info.filename!r} says {dtype} {list(shape)} and holds {unpacked - file.tell()} "
                "bytes"
            )
        array = np.empty(math.prod(shape), dtype)
        if said:
            _fill(file, array.view(np.uint8).data)
    return array.reshape(shape, order="F" if fortran_order else "C")


def _fill(file: IO[bytes], view: memoryview) -> None:
    """Block by block: asked for all at once, zipfile unpacks more than the member holds."""
    at = 0
    while at < len(view):
        block = file.read(min(BLOCK_BYTES, len(view) - at))
        if not block:
            raise EOFError
        view[at : at + len(block)] = block
        at += len(block)
    # The checksum is compared when the end is met.
    file.read(1)
