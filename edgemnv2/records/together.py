"""Files of a folder that are replaced together: a stop at any point leaves all old or all new ones.

    .draft.XXXX/    what is being written; where a stop has left it, it counts for nothing
    .complete/      whole, as its name came with one rename: what is in it takes its place

The moves out of `.complete` may stop at any of them, and whoever comes next makes those that are
left. Callers hold the folder's lock.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["finish_replacing", "replaced_together"]

_DRAFT = ".draft."
_COMPLETE = ".complete"


@contextmanager
def replaced_together(folder: Path) -> Iterator[Path]:
    """A draft's folder; at the end, without an error, its files take their places in `folder`.

    Raises OSError, also of what is done inside; the old files are then what they were.
    """
    finish_replacing(folder)
    for left in folder.glob(f"{_DRAFT}*"):
        shutil.rmtree(left, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder))
    try:
        yield draft
        draft.rename(folder / _COMPLETE)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finish_replacing(folder)


def finish_replacing(folder: Path) -> None:
    """Make the moves that a stop has left; nothing where there are none."""
    complete = folder / _COMPLETE
    if not complete.is_dir():
        return
    for path in sorted(complete.iterdir()):
        path.replace(folder / path.name)
    complete.rmdir()
