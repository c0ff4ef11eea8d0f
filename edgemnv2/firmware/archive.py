"""Archives without dates, owners or order of their own: equal files give equal bytes."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Collection, Mapping

__all__ = ["make_tar", "make_zip"]

# 1980-01-01, the oldest date that a zip holds; at 1970 tar would complain.
_DATE = (1980, 1, 1, 0, 0, 0)
_SECONDS = 315_532_800


def make_tar(files: Mapping[str, bytes], folder: str, executable: Collection[str] = ()) -> bytes:
    """A tar with `files` below `folder`, sorted; those in `executable` may be run."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(files):
            entry = tarfile.TarInfo(f"{folder}/{path}")
            entry.size = len(files[path])
            entry.mtime = _SECONDS
            entry.mode = 0o755 if path in executable else 0o644
            tar.addfile(entry, io.BytesIO(files[path]))
    return buffer.getvalue()


def make_zip(files: Mapping[str, bytes]) -> bytes:
    """A zip with `files`, sorted."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            # Otherwise the making system's number.
            entry.create_system = 3
            archive.writestr(entry, files[path])
    return buffer.getvalue()
