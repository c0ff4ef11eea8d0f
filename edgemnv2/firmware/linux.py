"""The Linux bundle: one tar that runs where it is unpacked, with Python or without."""

from __future__ import annotations

import numpy as np

from edgemnv2.firmware.archive import make_tar
from edgemnv2.firmware.parts import Files, Parts

__all__ = ["linux_files"]

_EXECUTABLE = ("bench", "run.py", "selftest.sh")


def linux_files(parts: Parts) -> Files:
    """The tar, and the README beside it."""
    artifact, test = parts.artifact, parts.selftest
    folder = f"{parts.name}-{artifact.target.name}"
    library = f"lib/lib{parts.name}.so"
    little = test.expected.dtype.newbyteorder("<")
    readme = parts.text("linux/README.md", ARCHIVE=folder)
    selftest = parts.text(
        "linux/selftest.sh",
        ARENA=str(artifact.arena_bytes),
        ELEMENT_BYTES=str(little.itemsize),
        OD_TYPE=_od_type(little),
        OUTPUT_COUNT=str(test.expected.size),
        TOLERANCE=f"{test.tolerance!r}",
    )
    files = {
        **parts.header("include"),
        **parts.licence(),
        **{n: (artifact.path / n).read_bytes() for n in (library, "bench", "run.py")},
        # run.py reads it: shapes, types, the library's hash.
        "manifest.json": (artifact.path / "manifest.json").read_bytes(),
        "selftest/input.bin": test.input.astype(test.input.dtype.newbyteorder("<")).tobytes(),
        "selftest/expected.bin": test.expected.astype(little).tobytes(),
        "selftest.sh": selftest,
        "README.md": readme,
    }
    return {f"{folder}.tar": make_tar(files, folder, _EXECUTABLE), "README.md": readme}


def _od_type(dtype: np.dtype[np.generic]) -> str:
    """How od is asked for numbers of that type."""
    kind = {"i": "d", "u": "u", "f": "f"}[dtype.kind]
    return f"{kind}{dtype.itemsize}"
