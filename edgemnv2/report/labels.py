"""What to call several artefacts beside each other: what they have in common is left out."""

from __future__ import annotations

from collections.abc import Sequence

from edgemnv2.report.load import Subject

__all__ = ["labels"]


def labels(subjects: Sequence[Subject]) -> list[str]:
    """One label for each, no two alike: the name, the target, both, or what else differs.

    One alone is `name for target`. Equal names: the target; equal targets: the name; where that
    is not enough the folder is added, and at last a number.
    """
    if len(subjects) == 1:
        return [subjects[0].label]
    names = [x.manifest.name for x in subjects]
    targets = [x.manifest.target for x in subjects]
    folders = [x.folder for x in subjects]
    both = [x.label for x in subjects]
    for found in (targets, names, both):
        # One that is the same for all says nothing, one that is not different for each too little.
        if len(set(found)) == len(found) and (found is both or _all_equal(found, names, targets)):
            return list(found)
    found = [f"{label}, {folder}" for label, folder in zip(both, folders, strict=True)]
    if len(set(both)) == 1:
        found = folders
    if len(set(found)) < len(found):
        found = [f"{label} ({index})" for index, label in enumerate(found, 1)]
    return found


def _all_equal(found: list[str], names: list[str], targets: list[str]) -> bool:
    """Whether the other half of the label is the same for all."""
    return len(set(targets if found is names else names)) == 1
