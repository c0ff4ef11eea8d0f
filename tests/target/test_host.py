"""`host` stands for the target that uses most of the processor, and the artefact names that one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact, load_artifact
from edgemnv2.check.verify import verify
from edgemnv2.errors import RunnerError, TargetError
from edgemnv2.pipeline import compile_model
from edgemnv2.runners.base import parse_facts
from edgemnv2.runners.local import LocalRunner
from edgemnv2.runners.qemu_user import find_qemu_user
from edgemnv2.samples.inputs import SampleChoice
from edgemnv2.target import HOST, OVERRIDE, load_target, missing_local_features, target_names

X86 = "fma avx2"
WIDE = f"{X86} avx512_vnni avx512vbmi"


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """`computer("x86_64", "avx2 fma")` is this machine from now on, as Linux describes it."""

    def pretend(machine: str, words: str) -> None:
        real = Path.read_text

        def read_text(self: Path, *more: object, **others: object) -> str:
            if str(self) == "/proc/cpuinfo":
                return f"processor : 0\nflags : {words}\nFeatures : {words}\n"
            return real(self, *more, **others)  # type: ignore[arg-type]

        monkeypatch.delenv(OVERRIDE, raising=False)
        monkeypatch.setattr("platform.machine", lambda: machine)
        monkeypatch.setattr(Path, "read_text", read_text)

    return pretend


@pytest.mark.parametrize(
    ("machine", "words", "name"),
    [
        ("x86_64", X86, "x86-64-v3"),
        ("AMD64", WIDE, "x86-64-v4-vnni"),
        ("x86_64", f"{X86} avx512_vnni", "x86-64-v3"),
        ("x86_64", "sse2", "x86-64-v3"),
        ("aarch64", "fp asimd", "cortex-a53"),
        ("aarch64", "fp asimd asimdhp asimddp", "armv8.2-a"),
        ("arm64", "fp asimd asimddp", "cortex-a53"),
        ("armv7l", "neon vfpv4", "rpi3-32"),
    ],
)
def test_the_processor_decides(
    computer: Callable[[str, str], None], machine: str, words: str, name: str
) -> None:
    computer(machine, words)
    assert load_target(HOST).name == name
    assert HOST not in target_names()


def test_a_computer_without_a_target_is_told_so(computer: Callable[[str, str], None]) -> None:
    computer("s390x", "vx")
    with pytest.raises(TargetError, match=f"s390x.*{OVERRIDE}"):
        load_target(HOST)


def test_the_environment_overrides_it_with_targets_for_computers_only(
    computer: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    computer("x86_64", WIDE)
    monkeypatch.setenv(OVERRIDE, "x86-64-v3")
    assert load_target(HOST) == load_target("x86-64-v3")
    monkeypatch.setenv(OVERRIDE, "rpi4")
    with pytest.raises(TargetError, match=f"{OVERRIDE}=rpi4: expected one of"):
        load_target(HOST)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """For more than every emulator and many computers have."""
    return compile_model("digits", "x86-64-v4-vnni", tmp_path_factory.mktemp("wide") / "net")


@pytest.mark.slow(ci=True)
def test_the_manifest_names_the_target_and_not_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str], str]
) -> None:
    require_tool("gcc")
    monkeypatch.setenv(OVERRIDE, "x86-64-v3")
    made = compile_model("digits-int8", HOST, tmp_path / "net")
    named = compile_model("digits-int8", "x86-64-v3", tmp_path / "named")
    assert load_artifact(made.path).manifest.target == "x86-64-v3"
    assert made.manifest.seal == named.manifest.seal


def test_a_processor_that_lacks_a_feature_is_refused_with_a_status(
    wide: Artifact, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("qemu-x86_64")
    emulator = find_qemu_user("x86_64")
    # QEMU emulates no AVX-512, and Nehalem has not even AVX.
    for processor in ("max", "Nehalem"):
        command = [emulator, "-cpu", processor, str(wide.path.resolve() / "bench")]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert "edgemnv2 status -8" in done.stdout, done.stderr
        with pytest.raises(RunnerError, match="the processor lacks what the code needs"):
            parse_facts(done.stdout, "here")


def test_the_library_refuses_and_has_touched_nothing_above_its_level(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    for tool in ("qemu-aarch64", "aarch64-linux-gnu-gcc"):
        require_tool(tool)
    made = compile_model("digits-int8", "rpi5", tmp_path / "net")
    for core, status in (("cortex-a76", None), ("cortex-a72", "-8"), ("cortex-a53", "-8")):
        command = [find_qemu_user("aarch64"), "-cpu", core, str(made.path.resolve() / "bench")]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        if status is None:
            assert "edgemnv2 done 1" in done.stdout, done.stderr
        else:
            assert f"edgemnv2 status {status}" in done.stdout, done.stderr


def test_a_processor_that_has_all_runs_it(wide: Artifact) -> None:
    if missing_local_features(wide.target):
        pytest.skip("this processor has no AVX-512 VNNI and VBMI")
    assert verify(wide, LocalRunner(), SampleChoice(random=2)).passed
