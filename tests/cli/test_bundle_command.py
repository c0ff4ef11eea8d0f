"""`edgemnv2 bundle` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact, load_artifact
from edgemnv2.cli.main import main
from edgemnv2.pipeline import compile_model


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("artifact") / "net"
    compile_model("mobilenetv2-0.35-32-int8", "mps2-an386", folder)
    return load_artifact(folder)


def test_json_has_the_promised_keys(
    artifact: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["bundle", str(artifact.path), "--format", "cmake", "-o", str(out), "--json"]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["bundle"] == str(out) and said["format"] == "cmake"
    assert said["files"] == sorted(
        p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()
    )


def test_the_folder_has_a_name_of_its_own(
    artifact: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bundle", str(artifact.path), "--format", "zephyr"]) == 0
    assert (tmp_path / f"{artifact.name}-zephyr/zephyr/module.yml").is_file()
    assert f"{artifact.name}-zephyr" in capsys.readouterr().out


def test_refusals_are_one_line_with_the_right_exit_code(
    artifact: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").touch()
    path = str(artifact.path)
    assert main(["bundle", path, "--format", "linux", "-o", str(tmp_path / "x")]) == 2
    assert main(["bundle", path, "--format", "cmake", "-o", str(tmp_path)]) == 1
    assert main(["bundle", str(tmp_path), "--format", "cmake", "-o", str(tmp_path / "x")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all(line.startswith("edgemnv2 bundle: ") for line in lines)
    with pytest.raises(SystemExit) as stop:
        main(["bundle", path, "--format", "make"])
    assert stop.value.code == 2
