"""The command that hashes compiled artefacts: its list is whole, and it sees what differs."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.safeguards import hashes
from tests.safeguards.hashes import STORED, Job, artefact_record, check, differences, jobs, load

LINUX = ["x86-64-v3", "rpi4", "rpi3-32"]
ALL = [*LINUX, "mps2-an500", "mps3-an547", "cortex-m0plus"]
# Written out once more on purpose: what is to be compared, whatever the command's list says.
EXPECTED = {
    "digits": ALL,
    "digits-int8": ALL,
    "mobilenetv2-0.35-96-int8": ALL,
    "mobilenetv2-1.0-224-int8": ALL,
    "mobilenet_v2_torchvision.onnx": LINUX,
    "tf2_mobilenet_v2_1.0_224_ptq.tflite": ALL,
    "fomo_face_detection.tflite": ALL,
}
QUICK = Job("digits-int8", "cortex-m0plus")


@pytest.fixture
def record() -> dict[str, Any]:
    """A stored one of a Linux artefact."""
    return copy.deepcopy(load()["artefacts"]["digits"]["x86-64-v3"])


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    manifest = {
        "edgemnv2": "0.1.0",
        "files": {"a": "0"},
        "seal": "0",
        "tuning_notes": [],
        "network_records": {"network": "18cf38c77777"},
        "kernels": [{"name": "stem", "schedule": "5915bf331ca8"}],
        "target": "x86-64-v3",
        **dict.fromkeys(hashes.SIZES, 1),
    }
    folder = tmp_path / "net"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "libnet.so").write_bytes(b"code")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_no_network_and_no_target_was_lost() -> None:
    expected = {(network, target) for network, targets in EXPECTED.items() for target in targets}
    assert {(job.network, job.target) for job in jobs()} == expected


def test_every_job_has_a_stored_result_and_nothing_else_has() -> None:
    stored = load()
    found = {(network, target) for network, own in stored["artefacts"].items() for target in own}
    assert found == {(job.network, job.target) for job in jobs()}
    assert set(stored["toolchains"]) == set(ALL)


def test_stored_results_have_the_files_of_their_kind() -> None:
    for network, own in load()["artefacts"].items():
        for target, record in own.items():
            if "refused" in record:
                assert target in ALL[3:], (network, target)
                continue
            files = set(record["files"])
            assert {"manifest.json", "memory_plan.json", "reference/graph.npz"} <= files
            assert ("bench" in files) == (target in LINUX)
            assert any(name.startswith("lib/" if target in LINUX else "src/") for name in files)
            assert set(record["sizes"]) == set(hashes.SIZES)


def test_what_is_compiled_now_is_as_stored(capsys: pytest.CaptureFixture[str]) -> None:
    """One of the list; the others take minutes."""
    found = hashes.main(["--check", "--only", QUICK.network, "--target", QUICK.target])
    assert found == 0, capsys.readouterr().out


def test_a_changed_a_lost_and_a_new_file_are_seen(record: dict[str, Any]) -> None:
    now = copy.deepcopy(record)
    now["files"]["run.py"] = "0" * 64
    del now["files"]["memory_plan.json"]
    now["files"]["extra"] = "1" * 64
    rows = differences(Job("digits", "x86-64-v3"), record, now, same_tools=True)
    assert [row[2] for row in rows] == ["extra", "memory_plan.json", "run.py"]
    assert [(row[3] == "-", row[4] == "-") for row in rows] == [
        (True, False),
        (False, True),
        (False, False),
    ]


@pytest.mark.parametrize("size", hashes.SIZES)
def test_a_changed_size_is_seen(record: dict[str, Any], size: str) -> None:
    now = copy.deepcopy(record)
    now["sizes"][size] += 1
    rows = differences(Job("digits", "x86-64-v3"), record, now, same_tools=True)
    assert [row[2] for row in rows] == [size]


def test_a_refusal_is_seen(record: dict[str, Any]) -> None:
    job = Job("digits", "x86-64-v3")
    assert differences(job, record, {"refused": "too large"}, same_tools=True)
    assert differences(job, {"refused": "too large"}, {"refused": "larger"}, same_tools=True)
    assert not differences(job, {"refused": "large"}, {"refused": "large"}, same_tools=True)


def test_only_machine_code_may_differ_with_other_tools(record: dict[str, Any]) -> None:
    job = Job("digits", "x86-64-v3")
    other = dict.fromkeys(record["files"], "0" * 64)
    now = {"files": other, "sizes": dict.fromkeys(record["sizes"], 0)}
    unseen = {("files", "bench"), ("files", "lib/libdigits.so"), ("sizes", "code_bytes")}
    expected = {name for place in record for name in record[place] if (place, name) not in unseen}
    assert {row[2] for row in differences(job, record, now, same_tools=False)} == expected
    # Losing the library is not a matter of tools.
    del now["files"]["lib/libdigits.so"]
    rows = differences(job, record, now, same_tools=False)
    assert "lib/libdigits.so" in {row[2] for row in rows}


def test_other_tools_are_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "hashes.json"
    path.write_text(STORED.read_text())
    tools = load()["toolchains"]["x86-64-v3"]
    monkeypatch.setattr(hashes, "toolchain", lambda target: {**tools, "gcc": "gcc 99"})
    job = Job("digits", "x86-64-v3")
    now = copy.deepcopy(load()["artefacts"]["digits"]["x86-64-v3"])
    now["files"]["bench"] = "0" * 64
    assert check({job: now}, path) == []
    assert "x86-64-v3: machine code and its size are not compared" in capsys.readouterr().out
    monkeypatch.setattr(hashes, "toolchain", lambda target: tools)
    assert [row[2] for row in check({job: now}, path)] == ["bench"]


@pytest.mark.parametrize(
    ("key", "value", "seen"),
    [
        ("edgemnv2", "9.9.9", False),
        ("files", {}, False),
        ("seal", "1", False),
        ("tuning_notes", ["stale"], False),
        ("network_records", {"network": "other"}, False),
        ("network_records", {}, True),
        ("kernels", [{"name": "stem", "schedule": "other"}], False),
        ("kernels", [{"name": "stem", "schedule": "default"}], True),
        ("kernels", [], True),
        ("target", "rpi4", True),
        ("new", 1, True),
    ],
)
def test_of_the_manifest_only_what_is_named_may_change(
    artefact: Path, key: str, value: Any, seen: bool
) -> None:
    before = artefact_record(artefact)
    path = artefact / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    assert (artefact_record(artefact) != before) == seen


def test_a_crash_of_the_command_is_no_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "crash.py"
    program.write_text("raise ValueError('edgemnv2 compile: boom')\n")
    monkeypatch.setattr(hashes, "COMMAND", (hashes.COMMAND[0], str(program)))
    with pytest.raises(RuntimeError, match="boom"):
        hashes.compile_job(QUICK, tmp_path / "net")


def test_nothing_compared_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hashes, "SHARED_MODELS", Path("/nowhere"))
    assert hashes.main(["--check", "--only", "mobilenet_v2_torchvision.onnx"]) == 1
    assert "skipped: mobilenet_v2_torchvision.onnx" in capsys.readouterr().out
