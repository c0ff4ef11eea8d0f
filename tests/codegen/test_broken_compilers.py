"""A compiler that does not work is as good as missing, however it fails, first in PATH."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.cli.main import main
from edgemnv2.codegen import toolchain
from edgemnv2.codegen.probe import problem_of
from edgemnv2.codegen.toolchain import find_compiler, has_compiler, host_compiler
from edgemnv2.errors import ToolchainError
from edgemnv2.target import load_target
from tests.usual import usual

MODEL = "mobilenetv2-0.35-32-int8"
# What a broken compiler is, by how it fails: file content, permissions, what is said of it.
_RUN = stat.S_IRUSR | stat.S_IXUSR
BROKEN = {
    "of another machine": (b"\x7fELF\x02\x01\x01 not this one", _RUN, "cannot be run (Exec format"),
    "an empty file": (b"", _RUN, ""),
    "with a lost interpreter": (b"#!/nowhere/sh\n", _RUN, "cannot be run (No such file"),
    "that writes nothing": (b"#!/bin/sh\nexit 0\n", _RUN, "writes nothing"),
    "that writes an empty file": (
        b'#!/bin/sh\nwhile [ $# -gt 1 ]; do shift; done\n: > "$1"\n',
        _RUN,
        "writes nothing",
    ),
    "without headers": (
        b"#!/bin/sh\necho 'p.c:1:10: fatal error: math.h: No such file' >&2\nexit 1\n",
        _RUN,
        "cannot compile a program (p.c:1:10: fatal error: math.h: No such file)",
    ),
    "that says nothing": (b"#!/bin/sh\nexit 1\n", _RUN, "cannot compile a program (no message)"),
    "that dies": (b"#!/bin/sh\nkill -9 $$\n", _RUN, "cannot compile a program (no message)"),
    "with Latin-1 messages": (
        b"#!/bin/sh\nprintf 'p.c: error: \\351t\\351\\n' >&2\nexit 1\n",
        _RUN,
        "cannot compile a program",
    ),
}


@pytest.fixture(params=BROKEN)
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A folder with every compiler that we know, all broken in one way; and what is said of it."""
    content, mode, said = BROKEN[request.param]
    folder = tmp_path / "broken"
    folder.mkdir()
    for name in (*(name for name, _ in toolchain._GCC.values()), "gcc", "cc", "clang"):
        (folder / name).write_bytes(content)
        (folder / name).chmod(mode)
    return folder, said


def first_in_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def alone_in_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else, but for what the broken compilers are written in."""
    monkeypatch.setenv("PATH", str(folder))


def test_what_is_wrong_is_said(broken: tuple[Path, str]) -> None:
    folder, said = broken
    for path in folder.iterdir():
        problem = problem_of(str(path), ())
        assert problem and said in problem


@pytest.mark.parametrize("name", usual(["host", "rpi4", "rpi3-32", "mps2-an386"], ["host"]))
def test_the_next_one_in_path_takes_over(
    name: str,
    broken: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
    require_tool: Callable[[str], str],
) -> None:
    target = load_target(name)
    if not has_compiler(target) or find_compiler(target).kind != "gcc":
        require_tool(toolchain._GCC[target.cpu.isa][0])
    there = find_compiler(target)
    first_in_path(broken[0], monkeypatch)
    assert find_compiler(target) == there


@pytest.mark.parametrize("name", usual(["host", "rpi4", "rpi3-32"], ["rpi4"]))
def test_zig_takes_over_where_no_other_is(
    name: str, broken: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ziglang")
    alone_in_path(broken[0], monkeypatch)
    assert find_compiler(load_target(name)).kind == "zig"
    assert host_compiler().kind == "zig"


@pytest.mark.parametrize("name", usual(["host", "rpi4", "rpi3-32", "mps2-an386"], ["host"]))
def test_without_zig_the_broken_one_and_the_remedy_are_named(
    name: str, broken: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, said = broken
    alone_in_path(folder, monkeypatch)
    monkeypatch.setattr(toolchain, "find_spec", lambda module: None)
    with pytest.raises(ToolchainError) as caught:
        find_compiler(load_target(name))
    text = str(caught.value)
    assert f"target {load_target(name).name}: no C compiler, {folder}/" in text
    assert said in text and "apt install" in text
    assert not has_compiler(load_target(name))
    with pytest.raises(ToolchainError, match=f"no C compiler; {folder}/"):
        host_compiler()


def test_a_compiler_that_is_repaired_is_asked_again(tmp_path: Path) -> None:
    """Its verdict is kept for one state of the file."""
    pytest.importorskip("ziglang")
    compiler = tmp_path / "gcc"
    compiler.write_text("#!/bin/sh\nexit 1\n")
    compiler.chmod(0o755)
    assert problem_of(str(compiler), ())
    compiler.write_text('#!/bin/sh\nwhile [ $# -gt 1 ]; do shift; done\necho program > "$1"\n')
    os.utime(compiler, ns=(1, 1))
    assert problem_of(str(compiler), ()) == ""
    compiler.unlink()
    assert problem_of(str(compiler), ()) == "No such file or directory"


def test_a_microcontrollers_source_needs_no_compiler_that_works(
    broken: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    alone_in_path(broken[0], monkeypatch)
    command = ["compile", MODEL, "--target", "mps2-an386", "-o", str(tmp_path / "net"), "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["code_bytes"] == 0
    assert (tmp_path / "net" / "src").is_dir()


@pytest.mark.slow(ci=True)
def test_compile_for_a_pi_does_not_care(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str], str]
) -> None:
    """Through the command itself, in two of the ways; the result is the same bytes."""
    require_tool("aarch64-linux-gnu-gcc")
    command = ["compile", MODEL, "--target", "rpi4", "-o"]
    assert main([*command, str(tmp_path / "good")]) == 0
    for number, kind in enumerate(("of another machine", "that writes nothing")):
        content, mode, _ = BROKEN[kind]
        folder = tmp_path / f"broken{number}"
        folder.mkdir()
        (folder / "aarch64-linux-gnu-gcc").write_bytes(content)
        (folder / "aarch64-linux-gnu-gcc").chmod(mode)
        with monkeypatch.context() as patch:
            first_in_path(folder, patch)
            assert main([*command, str(tmp_path / f"net{number}")]) == 0
        made = (tmp_path / f"net{number}" / "manifest.json").read_bytes()
        assert made == (tmp_path / "good" / "manifest.json").read_bytes()
