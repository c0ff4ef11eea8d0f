"""What a report is about: artefact folders and the results that belong to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgemnv2.artifact import Artifact, load_artifact
from edgemnv2.errors import ArtifactError, EdgeError, InputError, reason
from edgemnv2.manifest import Manifest, decode
from edgemnv2.report.shapes import KINDS, check_shape

__all__ = ["Result", "Subject", "files_read", "kind_of", "load"]

_KNOWN_BY = {
    "verify": {"passed", "samples"},
    "bench": {"metric", "median"},
    "cycles": {"is_estimate", "cycles"},
    "caches": {"l1_missed_bytes", "instructions"},
    "tune": {"trials", "records"},
    "quantize": {"scheme", "calibration_samples"},
    "run": {"pictures"},
}
"""The keys by which the JSON of a verb is known."""


@dataclass(frozen=True)
class Result:
    """The JSON object that a verb printed: `kind` is the verb.

    What `bench` prints with `--cycles` and with `--caches` has these words as its kind.
    """

    kind: str
    file: str
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Subject:
    """One artefact: its folder's name, its manifest, its memory plan if it has one, its results.

    `content` is the manifest as the file has it, for the data of the page; `network` is the
    artefact itself where a page can run it.
    """

    folder: str
    manifest: Manifest
    content: Mapping[str, Any]
    plan: Mapping[str, Any] | None
    results: tuple[Result, ...]
    network: Artifact | None = None

    @property
    def label(self) -> str:
        """`name for target`, as titles have it."""
        return f"{self.manifest.name} for {self.manifest.target}"

    def of_kind(self, kind: str) -> list[Result]:
        """Results of one verb."""
        return [result for result in self.results if result.kind == kind]


def files_read(artifacts: Sequence[Path], results: Sequence[Path] = ()) -> list[Path]:
    """What must not be written over: results, and all that the artefacts' manifests vouch for.

    Raises ArtifactError for a folder that is no artefact.
    """
    found = list(results)
    for folder in artifacts:
        _, content, _ = _artifact(folder)
        found += [folder / name for name in ("manifest.json", *content.get("files", ()))]
    return found


def load(
    artifacts: Sequence[Path], results: Sequence[Path] = ()
) -> tuple[list[Subject], list[Result]]:
    """The artefacts with their results, and the results that belong to none of them.

    A result belongs to the artefact of its `target` whose folder or name its keys `artifact` and
    `name` give; without these, to the only one of its target, or to the only one there is. Raises
    `ArtifactError` for a folder that is no artefact, `InputError` for a result file that no such
    verb printed.
    """
    read = [_result(path) for path in results]
    folders = [(_folder_name(path), *_artifact(path)) for path in artifacts]
    owners = [_owner(result.content, folders, artifacts) for result in read]
    subjects = [
        Subject(
            folder,
            manifest,
            content,
            plan,
            tuple(r for r, owner in zip(read, owners, strict=True) if owner == index),
            _network(artifacts[index]),
        )
        for index, (folder, manifest, content, plan) in enumerate(folders)
    ]
    return subjects, [r for r, owner in zip(read, owners, strict=True) if owner is None]


def _network(folder: Path) -> Artifact | None:
    """The artefact in `folder`, where it is for the web."""
    if not (folder / "bench.wasm").is_file():
        return None
    return load_artifact(folder)


def _folder_name(path: Path) -> str:
    return path.name or path.resolve().name


Read = tuple[Manifest, Mapping[str, Any], Mapping[str, Any] | None]


def _artifact(folder: Path) -> Read:
    path = folder / "manifest.json"
    if not path.is_file():
        raise ArtifactError(
            f"{folder}: no manifest.json in it, expected an artefact folder, "
            "make one with 'edgemnv2 compile'"
        )
    content = _object(path)
    lacking = [key for key in ("name", "target", "arena_bytes") if key not in content]
    if lacking:
        raise ArtifactError(
            f"{path}: {', '.join(lacking)} is missing, expected an artefact's manifest, "
            "compile the model again"
        )
    if "seal" in content:
        # What is shown must be what was compiled: refuses files that were changed since.
        load_artifact(folder)
    plan = folder / "memory_plan.json"
    manifest = decode(content, str(path), partial=True)
    return manifest, content, _object(plan) if plan.is_file() else None


def _object(
    path: Path,
    kind: type[EdgeError] = ArtifactError,
    remedy: str = "compile the model again",
) -> Mapping[str, Any]:
    """The JSON object in a file; an error of that kind where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise kind(f"{path}: cannot be read ({reason(error)}), {remedy}") from error
    if not isinstance(content, dict):
        raise kind(f"{path}: not a JSON object, {remedy}")
    return content


def kind_of(content: Mapping[str, Any]) -> str | None:
    """The verb that printed it, as in `Result`."""
    return next((kind for kind, keys in _KNOWN_BY.items() if keys <= content.keys()), None)


def _result(path: Path) -> Result:
    content = _object(path, InputError, "expected what a verb prints with --json")
    kind = kind_of(content)
    if kind is None:
        what = "an artefact's manifest" if "kernels" in content else "none of these"
        raise InputError(
            f"{path}: {what}, expected what verify, bench, tune, quantize or run (of pictures) "
            "prints with --json"
        )
    check_shape(content, KINDS[kind], str(path))
    return Result(kind, path.name, content)


def _owner(
    content: Mapping[str, Any],
    folders: Sequence[tuple[str, Manifest, Mapping[str, Any], Mapping[str, Any] | None]],
    paths: Sequence[Path],
) -> int | None:
    """Whose result it is: what it says of name, target and folder leaves one artefact, or none.

    The folder decides among equals only: it may have been moved since.
    """
    named, stated, target = (content.get(key) for key in ("name", "artifact", "target"))
    found = list(range(len(folders)))
    if target is not None:
        found = [i for i in found if folders[i][1].target == target]
    if named is not None:
        found = [i for i in found if folders[i][1].name == named]
    if stated is not None:
        path = Path(str(stated))
        of_path = [i for i in found if paths[i].resolve() == path.resolve()]
        of_folder = [i for i in found if folders[i][0] == _folder_name(path)]
        # Without a name of its own, `artifact` may be the network's.
        of_name = [i for i in found if folders[i][1].name == _folder_name(path)]
        found = of_path or of_folder or of_name or (found if named is not None else [])
    return found[0] if len(found) == 1 else None
