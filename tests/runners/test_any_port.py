"""The serial port of Windows, by pyserial, over a pseudo-terminal of this system."""

from __future__ import annotations

import os
import pty
import sys
import tty
from collections.abc import Iterator

import pytest

from edgemnv2.errors import RunnerError, ToolchainError
from edgemnv2.runners.any_port import AnyPort
from edgemnv2.runners.serial_port import open_port


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """The board's end of a line, and the name of ours."""
    pytest.importorskip("serial", reason="pyserial is not installed")
    board, ours = pty.openpty()
    tty.setraw(board)
    yield board, os.ttyname(ours)
    os.close(board)
    os.close(ours)


def test_lines_go_both_ways(line: tuple[int, str]) -> None:
    board, name = line
    with AnyPort(name) as port:
        port.write(b"name\n", 1.0)
        assert os.read(board, 100) == b"name\n"
        os.write(board, b"m-name-[edgemnv2]\r\nm-re")
        assert port.read_line(5.0) == b"m-name-[edgemnv2]"
        assert port.read_line(0.0) is None and port.pending() == b"m-re"
        os.write(board, b"ady\r\n")
        assert port.read_line(5.0) == b"m-ready"


def test_a_port_that_is_taken_is_refused(line: tuple[int, str]) -> None:
    _, name = line
    with AnyPort(name), pytest.raises(RunnerError, match="cannot be opened"):
        AnyPort(name)


def test_a_port_that_is_not_there_is_refused() -> None:
    pytest.importorskip("serial", reason="pyserial is not installed")
    with pytest.raises(RunnerError, match="is the board plugged in"):
        AnyPort("/dev/no-such-port")


def test_a_board_that_is_unplugged_is_an_error_of_ours() -> None:
    pytest.importorskip("serial", reason="pyserial is not installed")
    board, ours = pty.openpty()
    with AnyPort(os.ttyname(ours)) as port:
        os.close(board)
        os.close(ours)
        with pytest.raises(RunnerError, match="was lost"):
            port.read_line(5.0)


def test_without_pyserial_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(ToolchainError, match="pip install pyserial"):
        AnyPort("COM3")


def test_this_system_opens_its_ports_by_termios(line: tuple[int, str]) -> None:
    board, name = line
    with open_port(name) as port:
        assert type(port).__name__ == "PosixPort"
        os.write(board, b"m-ready\n")
        assert port.read_line(5.0) == b"m-ready"
