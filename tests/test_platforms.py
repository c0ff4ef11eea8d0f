"""Windows and macOS: no module of POSIX is needed to begin with, no file has the system's line
ends, and what is checked on this machine is built for this machine."""

from __future__ import annotations

import ast
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_architecture import PACKAGE, modules

POSIX = {
    "fcntl", "grp", "posix", "pty", "pwd", "resource", "spwd", "syslog", "termios", "tty",
    "_posixsubprocess",
}  # fmt: skip
"""Modules of the standard library that Windows does not have."""
REFUSED = POSIX - {"_posixsubprocess", "grp", "posix", "pwd"}
"""But for those that Python's own modules take where they can."""
POSIX_FUNCTIONS = {
    "fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "getpgid", "killpg", "mkfifo",
    "nice", "openpty", "setsid", "sysconf", "sched_getaffinity", "sched_setaffinity",
    "sched_getscheduler", "sched_setscheduler", "uname", "wait3", "wait4",
}  # fmt: skip
GUARDED = {"codegen.llvm", "lab.host_results", "lab.speed_up"}
"""Ask for the system first; mypy for win32 and darwin (.ci/run) holds them to it."""


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node


def named(call: ast.Call) -> set[str | None]:
    return {keyword.arg for keyword in call.keywords}


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda x: str(x))
def test_text_files_have_one_encoding_and_one_line_end(name: str, path: Path) -> None:
    wrong = []
    for call in calls(ast.parse(path.read_text(encoding="utf-8"))):
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if method == "open" and "force_zip64" in named(call):
            continue  # a member of an archive, which is bytes
        mode = next(
            (
                x.value
                for x in call.args
                if isinstance(x, ast.Constant) and isinstance(x.value, str)
            ),
            "r",
        )
        if method == "write_text":
            wrong += sorted({"encoding", "newline"} - named(call)) and [call.lineno]
        elif method == "read_text" and not call.args and "encoding" not in named(call):
            wrong.append(call.lineno)
        elif method == "open" and "b" not in mode and set(mode) & set("wax"):
            wrong += sorted({"encoding", "newline"} - named(call)) and [call.lineno]
    assert wrong == [], f"{path}: lines {wrong} leave encoding or newline to the system"


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda x: str(x))
def test_no_module_needs_posix_when_it_is_imported(name: str, path: Path) -> None:
    """The one that does is itself imported where a port is opened."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        found: set[str] = set()
        if isinstance(node, ast.Import):
            found = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found = {str(node.module)}
        if name != "runners.posix_port":
            assert not found & POSIX, f"{path}:{node.lineno}"
        assert "edgemnv2.runners.posix_port" not in found, f"{path}:{node.lineno}"
    if name not in GUARDED:
        used = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os"
        }
        assert not used & POSIX_FUNCTIONS, path


def test_the_command_line_works_without_modules_of_posix(tmp_path: Path) -> None:
    """Compile, bundle, report, analyze in a process that refuses us what Windows does not have."""
    program = f"""
import sys
# TVM asks for the system itself before it takes one of them.
import tvm
for name in {sorted(REFUSED)!r}:
    sys.modules[name] = None
from edgemnv2.cli.main import main
for words in (
    ["compile", "digits-int8", "--target", "cortex-m0plus", "-o", "net"],
    ["bundle", "net", "--format", "cmake", "-o", "firmware"],
    ["report", "net", "-o", "report.html"],
    ["compare", "net", "net", "--max-arena", "+0"],
):
    assert main(words) == 0, words
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("system", ["Windows", "Darwin"])
def test_linux_programs_are_not_tried_elsewhere(
    system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgemnv2.runners.local import host_target
    from edgemnv2.target import load_target, missing_local_features

    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    assert missing_local_features(load_target("host")) == ("Linux",)
    assert host_target().toolchain.triple == (
        "x86_64-windows-gnu" if system == "Windows" else "x86_64-macos"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "machine", "magic"),
    [("Windows", "AMD64", b"MZ"), ("Darwin", "arm64", b"\xcf\xfa\xed\xfe")],
)
def test_a_microcontrollers_code_is_built_for_this_machine(
    system: str,
    machine: str,
    magic: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edgemnv2.artifact import load_artifact
    from edgemnv2.cli.main import main
    from edgemnv2.runners import local

    net = str(tmp_path / "net")
    assert main(["compile", "digits-int8", "--target", "cortex-m0plus", "-o", net]) == 0
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    program = local._build_for_host(load_artifact(tmp_path / "net"), tmp_path)
    assert program.read_bytes().startswith(magic)


def test_every_file_of_the_package_is_text_with_one_line_end() -> None:
    """What is copied into artefacts and bundles as it is."""
    copied = [
        path
        for folder in ("runtime", "firmware")
        for path in sorted((PACKAGE / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert len(copied) > 50
    assert [path for path in copied if b"\r\n" in path.read_bytes()] == []
