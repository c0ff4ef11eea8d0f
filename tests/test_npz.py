"""Files of arrays that nobody vouches for: what NumPy takes, and never more than they hold."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.npz import read_npz
from tests.fuzz.mutate import BOMB_BYTES, _zipped


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_comes_back(save: object, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays = {
        "a": random.normal(size=(2, 3, 4)).astype(np.float32),
        "b/c": np.asfortranarray(random.integers(0, 9, (4, 5))),
        "scalar": np.float64(3.5),
        "none": np.empty((0, 3), np.int8),
        "big end": random.integers(0, 9, 6).astype(">i2"),
    }
    save(tmp_path / "x.npz", **arrays)  # type: ignore[operator]
    found = read_npz(tmp_path / "x.npz")
    assert sorted(found) == sorted(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == np.asarray(array).dtype
        assert np.array_equal(found[name], array)


def member(header: str, data: bytes) -> bytes:
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1 << 40,)}", "malformed"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}", "holds 8 bytes"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "holds 8 bytes"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "Python objects"),
        ("{'descr': ", "damaged|Cannot"),
    ],
)
def test_a_header_that_lies_allocates_nothing(header: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", member(header, bytes(8)))
    with pytest.raises(ValueError, match=reason):
        read_npz(path)


@pytest.mark.parametrize("seed", range(4))
def test_a_bomb_is_not_unpacked(seed: int, tmp_path: Path) -> None:
    """Honest about its size or not."""
    path = tmp_path / "x.npz"
    path.write_bytes(_zipped({"x.npy": b""}, "x.npy", np.random.default_rng(seed)))
    assert path.stat().st_size < BOMB_BYTES // 500
    with pytest.raises(ValueError, match=r"would unpack|damaged|magic"):
        read_npz(path)


def test_a_zip_that_is_cut_off_is_told(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.arange(1000))
    path = tmp_path / "x.npz"
    path.write_bytes(buffer.getvalue()[:-40])
    with pytest.raises(ValueError, match="damaged or truncated"):
        read_npz(path)
