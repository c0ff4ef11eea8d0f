"""`compile --format mlf`: the layout, sizes that are the artefact's, equal bytes, and code that
compiles from the archive alone."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.cli.main import main
from tests.firmware.archives import unpack_tar


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mlf") / "net.tar"
    assert (
        main(["compile", "digits", "--target", "mps2-an500", "--format", "mlf", "-o", f"{path}"])
        == 0
    )
    return path


def unpack(archive: Path, folder: Path) -> Path:
    unpack_tar(archive, folder)
    return folder


def test_metadata_has_the_formats_keys_and_the_artefacts_sizes(
    archive: Path, tmp_path: Path
) -> None:
    folder = unpack(archive, tmp_path)
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["version"] == 7
    (name,) = metadata["modules"]
    module = metadata["modules"][name]
    assert module["executors"] == ["aot"] and module["style"] == "full-model"
    manifest = json.loads((folder / "src/manifest.json").read_text())
    (main_function,) = module["memory"]["functions"]["main"]
    assert main_function["workspace_size_bytes"] == manifest["arena_bytes"]
    assert main_function["constants_size_bytes"] == manifest["constants_bytes"]
    sizes = [
        t["size"] for t in (*main_function["inputs"].values(), *main_function["outputs"].values())
    ]
    assert main_function["io_size_bytes"] == sum(sizes) > 0
    header = folder / "codegen/host/include" / f"{name}.h"
    assert f"{name}_run" in header.read_text()


def test_the_archive_alone_compiles(
    archive: Path, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("arm-none-eabi-gcc")
    host = unpack(archive, tmp_path) / "codegen/host"
    sources = sorted(str(p) for p in (host / "src").glob("*.c"))
    assert sources
    command = ["arm-none-eabi-gcc", "-std=c99", "-mcpu=cortex-m7", "-mthumb", "-Werror", "-c"]
    subprocess.run([*command, "-I", str(host / "include"), *sources], cwd=tmp_path, check=True)


def test_two_exports_are_equal(archive: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tar"
    assert (
        main(["compile", "digits", "--target", "mps2-an500", "--format", "mlf", "-o", f"{again}"])
        == 0
    )
    assert again.read_bytes() == archive.read_bytes()
    assert list(tmp_path.iterdir()) == [again]


def test_force_replaces_no_file_of_the_users_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "thesis.tar"
    mine.write_bytes(b"years of work")
    command = ["compile", "digits", "--target", "host", "--format", "mlf", "--force", "-o"]
    assert main([*command, str(mine)]) == 1
    assert "no archive of compile's" in capsys.readouterr().err
    assert mine.read_bytes() == b"years of work"


@pytest.mark.slow(ci=True)
def test_what_is_there_stays_unless_forced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "net.tar"
    command = ["compile", "digits", "--target", "mps2-an500", "--format", "mlf", "-o", f"{taken}"]
    assert main(command) == 0
    first = taken.read_bytes()
    capsys.readouterr()
    assert main([*command, "--name", "other"]) == 1
    assert "--force" in capsys.readouterr().err
    assert taken.read_bytes() == first
    assert main([*command, "--name", "other", "--force"]) == 0
    assert tarfile.is_tarfile(taken) and taken.read_bytes() != first
    folder = [*command[:-1], f"{tmp_path}"]
    assert main(folder) == 1
    assert "is a folder" in capsys.readouterr().err
