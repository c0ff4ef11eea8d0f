"""An artefact folder is complete or absent, reproducible, and notices every change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgemnv2.artifact import ArtifactWriter, load_artifact
from edgemnv2.errors import ArtifactError
from tests.runners.tiny_artifact import tiny_manifest


def write(folder: Path, *, force: bool = False, text: str = "int x;\n") -> Path:
    with ArtifactWriter(folder, force=force) as writer:
        (writer.folder / "src").mkdir()
        (writer.folder / "src" / "tiny.c").write_text(text)
        (writer.folder / "memory_plan.json").write_text("{}\n")
        writer.manifest = tiny_manifest("mps2-an386")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_what_is_written_is_what_is_loaded(tmp_path: Path) -> None:
    artifact = load_artifact(write(tmp_path / "art"))
    assert artifact.name == "tiny" and artifact.target.name == "mps2-an386"
    assert artifact.inputs[0].nhwc == (6, 5, 3) and artifact.inputs[0].scale == 0.5
    assert [p.name for p in artifact.files("src", ".c")] == ["tiny.c"]
    assert artifact.files("src", ".h") == ()


def test_two_writes_are_byte_identical(tmp_path: Path) -> None:
    assert contents(write(tmp_path / "a")) == contents(write(tmp_path / "b"))


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), ArtifactWriter(tmp_path / "art") as writer:
        (writer.folder / "half").write_text("x")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_used_and_a_parent_is_made(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    load_artifact(write(tmp_path / "empty"))
    load_artifact(write(tmp_path / "new" / "deep"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "new"]


def test_force_deletes_nothing_that_compile_did_not_make(tmp_path: Path) -> None:
    folder = write(tmp_path / "art")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "run.pyc").write_bytes(b"Python's own")
    write(folder, force=True)
    for name, more in (("src/main.c", ""), ("notes.txt", " and 1 more")):
        (folder / name).write_text("mine")
        before = contents(folder)
        with pytest.raises(ArtifactError) as caught:
            write(folder, force=True, text="int y;\n")
        text = str(caught.value)
        assert text.startswith(f"{folder}/{'notes.txt' if more else name}{more}: not made by")
        assert "move it, or choose another folder with output=" in text
        assert contents(folder) == before
    for name in ("src/main.c", "notes.txt"):
        (folder / name).unlink()
    (folder / "data").symlink_to(tmp_path)
    with pytest.raises(ArtifactError, match="/data: not made by compile"):
        write(folder, force=True)


def test_an_artefact_is_replaced_only_by_force(tmp_path: Path) -> None:
    folder = write(tmp_path / "art")
    with pytest.raises(ArtifactError, match=r"an artefact is there already \(use force=True"):
        write(folder)
    write(folder, force=True, text="int y;\n")
    assert (load_artifact(folder).path / "src" / "tiny.c").read_text() == "int y;\n"
    assert [p.name for p in tmp_path.iterdir()] == ["art"]


def test_a_folder_of_something_else_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1").write_text("years of work")
    with pytest.raises(ArtifactError, match=r"the folder is not empty \(choose another"):
        write(tmp_path / "thesis", force=True)
    with pytest.raises(ArtifactError, match="is not a folder"):
        write(tmp_path / "thesis" / "chapter1", force=True)
    assert (tmp_path / "thesis" / "chapter1").read_text() == "years of work"


def test_a_folder_that_filled_up_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with (
        pytest.raises(ArtifactError, match="the folder is not empty"),
        ArtifactWriter(tmp_path / "art") as writer,
    ):
        writer.manifest = tiny_manifest("mps2-an386")
        (tmp_path / "art").mkdir()
        (tmp_path / "art" / "precious").write_text("x")
    assert [p.name for p in tmp_path.rglob("*")] == ["art", "precious"]


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(ArtifactError, match=r"file/art: cannot be written \(.+\), choose another"),
        ArtifactWriter(tmp_path / "file" / "art"),
    ):
        pass


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "art")
    (folder / "src" / "tiny.c").write_text("int z;\n")
    with pytest.raises(ArtifactError, match=r"src/tiny\.c: was changed after compile"):
        load_artifact(folder)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "art")
    (folder / "memory_plan.json").unlink()
    with pytest.raises(ArtifactError, match=r"memory_plan\.json: is missing"):
        load_artifact(folder)


def test_a_changed_manifest_is_noticed(tmp_path: Path) -> None:
    folder = write(tmp_path / "art")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["arena_bytes"] -= 8
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"manifest\.json: was changed after compile"):
        load_artifact(folder)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "art")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "schema": 99}))
    with pytest.raises(ArtifactError, match="schema 99, but this edgemnv2 reads 1"):
        load_artifact(folder)


def test_what_is_no_artefact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nowhere: is not an artefact folder"):
        load_artifact(tmp_path / "nowhere")
    for text, message in [("{", "is not JSON"), ("[]", "is not a manifest")]:
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(ArtifactError, match=message):
            load_artifact(tmp_path)
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_artifact(tmp_path)


def test_a_manifest_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    from edgemnv2.artifact import _seal

    folder = write(tmp_path / "art")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["../x"] = "0"
    manifest["seal"] = _seal(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="is outside the artefact"):
        load_artifact(folder)


def test_provenance_says_versions_machine_and_date() -> None:
    from edgemnv2.provenance import provenance, version_of

    made = provenance(seed=7)
    assert made["seed"] == 7 and made["versions"]["numpy"] == version_of("numpy") != ""
    assert made["date"].endswith("+00:00") and made["machine"]["cores"] >= 1
    assert version_of("no-such-distribution") == ""
