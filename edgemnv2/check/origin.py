"""Where the file is that an artefact was compiled from, and whether its framework is here to ask.

An artefact holds no path. Its source is the file that the user gives, the copy that `compile
--keep-source` puts into the artefact, the file of a built-in model, or a file of the recorded name
in the current folder or beside the artefact. Whichever it is, its sha256 is the recorded one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgemnv2.artifact import Artifact
from edgemnv2.check.frameworks import PACKAGES, available
from edgemnv2.errors import ArtifactError, InputError, ModelError, ToolchainError
from edgemnv2.frontend import source_file, source_sha256
from edgemnv2.ops.store import KEPT_FOLDER

__all__ = ["Origin", "find_origin"]


@dataclass(frozen=True)
class Origin:
    """The source file of an artefact, or the `reason` why it cannot be asked.

    `demanded`: the user named it, so that it is an error if its framework refuses it.
    """

    file: Path | None
    reason: str | None = None
    demanded: bool = False


def find_origin(
    artifact: Artifact, given: Path | None = None, beside: Path | None = None
) -> Origin:
    """The source file of `artifact`; `given` is that file or the folder that it is in.

    `beside` is a file that may be it, looked at first.

    Raises InputError, ArtifactError, ToolchainError where `given` is missing, another file, or of a
    framework that is not installed.
    """
    if given is not None:
        file = _given(artifact, given)
        if not available(file):
            raise ToolchainError(f"{file.name}: {_not_installed(file)}")
        return Origin(file, demanded=True)
    wanted, name = _recorded(artifact)
    for file in (*([beside] if beside else []), *_candidates(artifact, name)):
        if file.is_file() and _sha256(file) == wanted:
            return Origin(file) if available(file) else Origin(None, _not_installed(file))
    if source_file(name) is None:
        return Origin(None, f"{name} is made by its name, no file")
    return Origin(
        None,
        f"{name} is not at hand (name it with against_source=, or compile with keep_source=True)",
    )


def _recorded(artifact: Artifact) -> tuple[str, str]:
    """sha256 and name of the file that was compiled."""
    model = artifact.manifest.model
    return model.sha256, model.source


def _given(artifact: Artifact, given: Path) -> Path:
    wanted, name = _recorded(artifact)
    if given.is_dir():
        files = sorted(x for x in given.iterdir() if x.is_file() and x.suffix == Path(name).suffix)
        found = next((x for x in files if _sha256(x) == wanted), None)
        if found is None:
            raise InputError(
                f"{given}: no file in this folder is the one that {artifact.path.name} was "
                f"compiled from ({name}, sha256 {wanted[:12]}…); give that file"
            )
        return found
    if not given.is_file():
        raise InputError(f"{given}: no such file; give the model that was compiled ({name})")
    if _sha256(given) != wanted:
        raise ArtifactError(
            f"{artifact.path}: was compiled from {name} (sha256 {wanted[:12]}…), not from {given} "
            "(give that file, or none)"
        )
    return given


def _candidates(artifact: Artifact, name: str) -> Iterator[Path]:
    """Files that may be the source, the surest first."""
    yield from artifact.files(KEPT_FOLDER, Path(name).suffix)
    built_in = source_file(name)
    if built_in is not None and not Path(name).suffix:
        # The file of a trained model that comes with the package.
        yield built_in
        return
    for folder in (Path(), artifact.path.parent):
        yield folder / name


def _not_installed(file: Path) -> str:
    package = PACKAGES.get(file.suffix)
    if package is None:
        return f"no framework of {file.suffix} files is known here"
    return f"the framework of {file.suffix} files is not installed (pip install {package})"


def _sha256(file: Path) -> str | None:
    """None where the file cannot be read, or is no model."""
    try:
        return source_sha256(file)
    except (ModelError, OSError):
        return None
