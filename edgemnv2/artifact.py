"""The output folder of `compile`: code, plan and a manifest that vouches for both.

`ArtifactWriter` fills a temporary folder beside the wanted one and renames it when everything is
there, so a failed compile leaves nothing. `manifest.json` is written last: the sha256 of each file,
and of itself. It holds no date and no path; two compiles of one input are byte-identical.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

from edgemnv2.drafts import draft_folder
from edgemnv2.errors import ArtifactError
from edgemnv2.manifest import ArtifactTensor, LongestStep, Manifest, decode, encode
from edgemnv2.target import Target, parse_target

__all__ = ["SCHEMA", "Artifact", "ArtifactWriter", "load_artifact", "record_longest_step"]

SCHEMA = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True, eq=False)
class Artifact:
    """One loaded artefact; every file in it has been checked against the manifest."""

    path: Path
    manifest: Manifest
    target: Target

    @property
    def name(self) -> str:
        """The C identifier that prefixes everything: `<name>_run`."""
        return self.manifest.name

    @property
    def inputs(self) -> tuple[ArtifactTensor, ...]:
        """Input tensors, in the order of the C structure."""
        return self.manifest.inputs

    @property
    def outputs(self) -> tuple[ArtifactTensor, ...]:
        """Output tensors, in the order of the C structure."""
        return self.manifest.outputs

    @property
    def arena_bytes(self) -> int:
        """Size of the arena that the caller brings."""
        return self.manifest.arena_bytes

    def all_files(self) -> tuple[Path, ...]:
        """The manifest, and all that it vouches for."""
        return (self.path / MANIFEST, *(self.path / name for name in sorted(self.manifest.files)))

    def files(self, folder: str, suffix: str = "") -> tuple[Path, ...]:
        """Paths of the files below `folder` whose name ends in `suffix`, sorted."""
        return tuple(
            self.path / name
            for name in sorted(self.manifest.files)
            if name.startswith(f"{folder}/") and name.endswith(suffix)
        )


class ArtifactWriter:
    """Context manager: fill `folder`, set `manifest`, and leaving the block puts it in place.

    With `force`, an older artefact at `output` is replaced; anything else that is there is never
    touched, nor are files that somebody has put into the artefact. Raises ArtifactError before any
    work is done when `output` cannot be used, or when one of the files `read` would be replaced.
    """

    def __init__(self, output: Path, *, force: bool = False, read: Iterable[Path] = ()) -> None:
        self.output = output
        self.manifest: Manifest | None = None
        self._force = force
        self._read = tuple(read)
        self._draft = ExitStack()
        self._check_output()

    def __enter__(self) -> ArtifactWriter:
        try:
            self.folder = self._draft.enter_context(draft_folder(self.output))
        except OSError as error:
            raise ArtifactError(
                f"{self.output}: cannot be written ({error.strerror}), choose another with output="
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._write_manifest()
                self._put_in_place()
            elif isinstance(error, OSError):
                raise ArtifactError(
                    f"{self.output}: cannot be written ({error.strerror or error}), make room or "
                    "choose another with output="
                ) from error
        except OSError as failure:
            raise ArtifactError(
                f"{self.output}: cannot be written ({failure.strerror or failure}), make room or "
                "choose another with output="
            ) from failure
        finally:
            self._draft.close()

    def _check_output(self) -> None:
        if self.output.is_dir():
            if not any(self.output.iterdir()):
                return
            ours = _is_artifact(self.output)
            if ours and self._force:
                self._check_foreign()
                return
            what = "an artefact is there already" if ours else "the folder is not empty"
            remedy = "use force=True to replace it, or " if ours else ""
            raise ArtifactError(
                f"{self.output}: {what} ({remedy}choose another folder with output=)"
            )
        if self.output.exists() or self.output.is_symlink():
            raise ArtifactError(f"{self.output}: is not a folder (choose another one with output=)")

    def _check_foreign(self) -> None:
        """ArtifactError for files in the old artefact that compile did not put there, or reads."""
        for path in self._read:
            if self.output.resolve() in path.resolve().parents:
                raise ArtifactError(
                    f"{path}: lies in the artefact that force=True would replace (copy it to "
                    "another place first, or choose another folder with output=)"
                )
        known = {MANIFEST, *_read_manifest(self.output)["files"]}
        foreign = sorted(
            name
            for path in self.output.rglob("*")
            if (path.is_symlink() or not path.is_dir())
            and (name := path.relative_to(self.output).as_posix()) not in known
            # Python's own, of who imported `run.py`.
            and "__pycache__" not in path.parts
        )
        if foreign:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            raise ArtifactError(
                f"{self.output / foreign[0]}{more}: not made by compile, and force=True would "
                "delete it (move it, or choose another folder with output=)"
            )

    def _write_manifest(self) -> None:
        assert self.manifest is not None, "the manifest is what makes a folder an artefact"
        paths = sorted(p for p in self.folder.rglob("*") if p.is_file())
        files = {p.relative_to(self.folder).as_posix(): _sha256(p) for p in paths}
        text = _manifest_text(replace(self.manifest, files=files))
        (self.folder / MANIFEST).write_text(text, encoding="utf-8", newline="\n")

    def _put_in_place(self) -> None:
        self._check_output()  # a compile takes a while; the folder may have filled meanwhile
        try:
            if self.output.is_dir():
                # Through a second rename, so that no moment has half an artefact at `output`.
                old = Path(tempfile.mkdtemp(dir=self.output.parent, prefix=".old."))
                self.output.rename(old / "artifact")
                self.folder.rename(self.output)
                shutil.rmtree(old)
            else:
                self.folder.rename(self.output)
        except OSError as error:
            raise ArtifactError(f"{self.output}: cannot be written ({error.strerror})") from error


def record_longest_step(artifact: Artifact, step: LongestStep) -> Artifact:
    """`artifact` with `step` in its manifest, which is written anew; all else stays.

    Raises ArtifactError when the folder cannot be written.
    """
    text = _manifest_text(replace(artifact.manifest, longest_step=step))
    manifest = artifact.path / MANIFEST
    draft = manifest.with_name(f".{MANIFEST}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(manifest)
    except OSError as error:
        raise ArtifactError(
            f"{manifest}: cannot be written ({error.strerror}; leave the recording out, or copy "
            "the artefact)"
        ) from error
    return load_artifact(artifact.path)


def _manifest_text(manifest: Manifest) -> str:
    """`manifest.json`, sealed."""
    content = {**encode(manifest), "schema": SCHEMA, "files": dict(manifest.files)}
    content["seal"] = _seal(content)
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def load_artifact(path: Path) -> Artifact:
    """The artefact in `path`.

    Raises ArtifactError when there is none, when its schema is another, and when a file is missing
    or is not the one that `compile` wrote (it is named).
    """
    content = _read_manifest(path)
    if content.get("schema") != SCHEMA:
        raise ArtifactError(
            f"{path}: schema {content.get('schema')!r}, but this edgemnv2 reads {SCHEMA} "
            "(compile the model again)"
        )
    if content.get("seal") != _seal(content):
        raise ArtifactError(f"{path / MANIFEST}: was changed after compile (compile again)")
    manifest = decode(content, str(path / MANIFEST))
    for name, digest in sorted(manifest.files.items()):
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts:
            raise ArtifactError(f"{path / MANIFEST}: file {name!r} is outside the artefact")
        file = path / name
        if not file.is_file():
            raise ArtifactError(f"{file}: is missing (the manifest lists it; compile again)")
        if _sha256(file) != digest:
            raise ArtifactError(f"{file}: was changed after compile (compile again)")
    target = parse_target(manifest.target, manifest.target_file, str(path / MANIFEST))
    return Artifact(path, manifest, target)


def _read_manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(
            f"{path}: is not an artefact folder, it has no {MANIFEST} "
            "(`edgemnv2 compile -o DIR` makes one)"
        ) from error
    except OSError as error:
        raise ArtifactError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ArtifactError(f"{file}: is not JSON ({error}; compile again)") from error
    if not isinstance(manifest, dict):
        raise ArtifactError(f"{file}: is not a manifest (expected a JSON object)")
    return manifest


def _is_artifact(path: Path) -> bool:
    """Whether a manifest of ours lies in the folder, of whatever schema."""
    try:
        manifest = _read_manifest(path)
    except ArtifactError:
        return False
    return {"schema", "edgemnv2", "files"} <= set(manifest) and isinstance(manifest["files"], dict)


def _seal(manifest: Mapping[str, Any]) -> str:
    """sha256 of the manifest's content, without the seal itself."""
    content = {key: value for key, value in manifest.items() if key != "seal"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
