"""Archives that the package wrote, unpacked."""

from __future__ import annotations

import tarfile
from pathlib import Path

__all__ = ["unpack_tar"]


def unpack_tar(archive: Path, folder: Path) -> None:
    """Unpack into `folder` what is harmless; the first Pythons 3.11 take all there is."""
    with tarfile.open(archive) as tar:
        if safe := getattr(tarfile, "data_filter", None):
            tar.extraction_filter = safe
        tar.extractall(folder)
