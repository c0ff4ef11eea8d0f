"""Artefact -> firmware bundle: a folder for one build system, or for each that suits the target.

Files are made in memory and written to a temporary folder that is renamed when complete. Nothing
holds a date or a path; two bundles of one artefact are byte-identical.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgemnv2.artifact import Artifact
from edgemnv2.drafts import draft_folder
from edgemnv2.errors import ArtifactError, UsageError
from edgemnv2.firmware.arduino import arduino_files
from edgemnv2.firmware.cmake import cmake_files
from edgemnv2.firmware.cmsis_pack import cmsis_pack_files
from edgemnv2.firmware.esp_idf import esp_idf_files
from edgemnv2.firmware.fit import check_fit
from edgemnv2.firmware.linux import linux_files
from edgemnv2.firmware.parts import Files, Parts
from edgemnv2.firmware.platformio import platformio_files
from edgemnv2.firmware.selftest import make_selftest
from edgemnv2.firmware.web import page_file, web_files
from edgemnv2.firmware.zephyr import zephyr_files

__all__ = ["ALL", "FORMATS", "Bundle", "bundle", "formats_for"]

ALL = "all"
_MAKERS: Mapping[str, Callable[[Parts], Files]] = {
    "arduino": arduino_files,
    "cmake": cmake_files,
    "cmsis-pack": cmsis_pack_files,
    "esp-idf": esp_idf_files,
    "linux": linux_files,
    "platformio": platformio_files,
    "zephyr": zephyr_files,
}
WEB = "web"
FORMATS = (*_MAKERS, WEB, ALL)


@dataclass(frozen=True)
class Bundle:
    """What was written: the folder, the format, paths of the files in it, sorted."""

    path: Path
    format: str
    files: tuple[str, ...]


def formats_for(artifact: Artifact) -> tuple[str, ...]:
    """The formats that suit the artefact's target."""
    target = artifact.target
    if target.is_web:
        return (WEB,)
    if not target.is_bare_metal:
        return ("cmake", "linux")
    # A pack is for Arm's cores, ESP-IDF for Espressif's, which are none of those.
    other = "esp-idf" if target.cpu.isa == "thumb" else "cmsis-pack"
    return tuple(name for name in _MAKERS if name not in ("linux", other))


def bundle(
    artifact: Artifact, format_name: str, output: Path, *, single_file: bool = False
) -> Bundle:
    """Write the bundle of `artifact` into the new folder `output`.

    With "all", one folder in it for each format. `single_file`: of "web" the page alone, which
    needs no server. Raises UsageError for a format that does not suit
    the target, DoesNotFit when the board's memories are too small, ArtifactError when `output`
    cannot be used; then nothing is written.
    """
    suited = formats_for(artifact)
    if format_name not in (*suited, ALL):
        raise UsageError(
            f"format={format_name}: does not suit {artifact.target.name} "
            f"(expected one of {', '.join((*suited, ALL))})"
        )
    if single_file and not artifact.target.is_web:
        raise UsageError(
            f"single_file=True: is for format=web, and {artifact.path} is for "
            f"{artifact.target.name} (leave it out)"
        )
    _check_output(output)
    if artifact.target.is_web:
        files = page_file(artifact) if single_file else web_files(artifact)
        if format_name == ALL:
            files = {f"{WEB}/{path}": content for path, content in files.items()}
        _write(files, output)
        return Bundle(output, format_name, tuple(sorted(files)))
    parts = Parts(artifact, make_selftest(artifact))
    check_fit(artifact, parts.selftest)
    if format_name != ALL:
        files = _MAKERS[format_name](parts)
    else:
        files = {
            f"{name}/{path}": content
            for name in suited
            for path, content in _MAKERS[name](parts).items()
        }
    _write(files, output)
    return Bundle(output, format_name, tuple(sorted(files)))


def _check_output(output: Path) -> None:
    if output.is_dir() and not any(output.iterdir()):
        return
    if output.exists() or output.is_symlink():
        what = "the folder is not empty" if output.is_dir() else "is not a folder"
        raise ArtifactError(f"{output}: {what} (choose another one with output=)")


def _write(files: Files, output: Path) -> None:
    try:
        with draft_folder(output) as staging:
            for path, content in files.items():
                file = staging / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            if output.is_dir():
                output.rmdir()
            staging.rename(output)
    except OSError as error:
        raise ArtifactError(
            f"{output}: cannot be written ({error.strerror}), choose another with output="
        ) from error
