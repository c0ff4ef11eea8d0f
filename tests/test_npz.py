"""Files of arrays that nobody vouches for: what NumPy takes, and never more than they hold."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.npz import read_npz, write_npz
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


def test_what_is_written_hangs_on_the_arrays_alone(tmp_path: Path) -> None:
    """Not on the release of Python, whose `savez` once said zip 2.0 and now says 4.5."""
    arrays = {
        "file": np.arange(6, dtype=np.int32).reshape(2, 3),
        "a/b": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "none": np.empty((0, 3), np.int8),
        "scalar": np.array(2.5, np.float32),
    }
    with (tmp_path / "x.npz").open("wb") as file:
        write_npz(file, arrays)
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        for info in archive.infolist():
            facts = (info.extract_version, info.create_system, info.extra, info.date_time)
            assert facts == (20, 3, b"", (1980, 1, 1, 0, 0, 0))
    written = hashlib.sha256((tmp_path / "x.npz").read_bytes()).hexdigest()
    assert written == "9b6c6f8e6870b08b9b27d840f655933285df879a47cf1114f375273b894192a1"
    with np.load(tmp_path / "x.npz") as theirs:
        ours = read_npz(tmp_path / "x.npz")
        assert list(theirs) == list(ours) == list(arrays)
        for name, array in arrays.items():
            assert ours[name].dtype == theirs[name].dtype == array.dtype
            assert np.array_equal(ours[name], array) and np.array_equal(theirs[name], array)


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
