"""The Linux bundle: one tar that runs where it is unpacked, with Python or without."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.firmware.archive import make_tar
from edgemnv2.firmware.parts import Files, Parts
from edgemnv2.firmware.selftest import SelfTest

__all__ = ["linux_files"]

_EXECUTABLE = ("bench", "run.py", "selftest.sh")


def linux_files(parts: Parts) -> Files:
    """The tar, and the README beside it."""
    artifact, test = parts.artifact, parts.selftest
    folder = f"{parts.name}-{artifact.target.name}"
    library = f"lib/lib{parts.name}.so"
    readme = parts.text("linux/README.md", ARCHIVE=folder)
    selftest = parts.text(
        "linux/selftest.sh",
        ARENA=str(artifact.arena_bytes),
        NAMED="$1: " if len(test.expected) > 1 else "",
        OUTPUTS=_comparisons(test),
    )
    files = {
        **parts.header("include"),
        **parts.licence(),
        **{n: (artifact.path / n).read_bytes() for n in (library, "bench", "run.py")},
        # What run.py imports.
        **{
            path.relative_to(artifact.path).as_posix(): path.read_bytes()
            for path in artifact.files("vision", ".py")
        },
        # run.py reads it: shapes, types, the library's hash.
        "manifest.json": (artifact.path / "manifest.json").read_bytes(),
        "selftest/input.bin": b"".join(map(_little, test.inputs.values())),
        **{f"selftest/{field}.bin": _little(y) for field, y in test.expected.items()},
        "selftest.sh": selftest,
        "README.md": readme,
    }
    return {f"{folder}.tar": make_tar(files, folder, _EXECUTABLE), "README.md": readme}


def _little(array: NDArray[Any]) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def _comparisons(test: SelfTest) -> str:
    """A line of the script for each output: which bytes of the result are it, and what of type."""
    lines = []
    first = 1
    for field, y in test.expected.items():
        facts = f"{_od_type(y.dtype)} {y.itemsize} {y.size} {test.tolerances[field]!r}"
        facts += f" {test.near_ties[field]}"
        lines.append(f"compare {field} {first} {y.nbytes} {facts}")
        first += y.nbytes
    return "\n".join(lines)


def _od_type(dtype: np.dtype[np.generic]) -> str:
    """How od is asked for numbers of that type."""
    kind = {"i": "d", "u": "u", "f": "f"}[dtype.kind]
    return f"{kind}{dtype.itemsize}"
