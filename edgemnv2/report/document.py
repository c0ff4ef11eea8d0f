"""The page about artefacts: what it is made from, and the making."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgemnv2.report.load import load
from edgemnv2.report.page import page

__all__ = ["report"]


def report(artifacts: Sequence[Path], results: Sequence[Path] = ()) -> str:
    """One self-contained HTML document about artefact folders and results of other verbs.

    `results` are files with what `verify`, `bench`, `tune` printed under `--json`. Raises
    `ArtifactError` for a folder that is no artefact, `InputError` for a damaged result file.
    """
    subjects, others = load(artifacts, results)
    return page(subjects, others)
