"""A tracker that sleeps, says something else or does not know the key: each verb tells soon."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.cli.main import main
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import tracker
from edgemnv2.runners.base import TrackerLost
from edgemnv2.runners.tracker import Tracker

MAGIC = struct.pack("<i", 0x2F271)
Answer = Callable[[socket.socket], None]


@contextmanager
def tracker_that(answer: Answer) -> Iterator[str]:
    """The address of a server that does with each connection what `answer` does."""
    server = socket.create_server(("127.0.0.1", 0))
    open_lines: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                line, _ = server.accept()
            except OSError:
                return
            open_lines.append(line)
            threading.Thread(target=_answer, args=(answer, line), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
        for line in open_lines:
            line.close()


def _answer(answer: Answer, line: socket.socket) -> None:
    try:
        answer(line)
    except OSError:
        line.close()


def sleeps(line: socket.socket) -> None:
    """Takes the connection, and that is all."""


def wakes_and_sleeps(line: socket.socket) -> None:
    line.sendall(MAGIC)


def drips(line: socket.socket) -> None:
    """A byte now and then never adds up to an answer in time."""
    for byte in MAGIC + struct.pack("<i", 1000) + b" " * 1000:
        line.sendall(bytes([byte]))
        time.sleep(0.1)


def is_a_web_server(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def says(data: bytes) -> Answer:
    def answer(line: socket.socket) -> None:
        line.sendall(MAGIC + data)
        line.shutdown(socket.SHUT_WR)

    return answer


def message(value: Any) -> bytes:
    text = json.dumps(value).encode()
    return struct.pack("<i", len(text)) + text


def knows(*keys: str, free: bool = True) -> Answer:
    """A tracker with a board under each of the keys."""
    queues = {key: {"free": int(free), "pending": 0} for key in keys}
    servers = [{"key": f"server:{key}", "addr": ["10.0.0.1", 9090]} for key in keys]
    return says(message([0, {"queue_info": queues, "server_info": servers}]))


WRONG: list[tuple[Answer, str]] = [
    (sleeps, "takes the connection and does not answer in 1 s"),
    (wakes_and_sleeps, "takes the connection and does not answer in 1 s"),
    (drips, "takes the connection and does not answer in 1 s"),
    (is_a_web_server, "is no RPC tracker of TVM's, another program answers there"),
    (says(b""), "no RPC tracker answers"),
    (says(struct.pack("<i", -5)), "no RPC tracker answers"),
    (says(struct.pack("<i", 2**30)), "no RPC tracker answers"),
    (says(struct.pack("<i", 4) + b"}{}{"), "no RPC tracker answers"),
    (says(message(7)), "no RPC tracker answers"),
    (says(message([-1, "go away"])), r"the RPC tracker refuses \(go away\)"),
]


@pytest.mark.parametrize(("answer", "expected"), WRONG)
def test_whatever_answers_there_is_told_in_time(answer: Answer, expected: str) -> None:
    with tracker_that(answer) as address:
        host, _, port = address.rpartition(":")
        began = time.monotonic()
        with pytest.raises(TrackerLost, match=expected):
            Tracker(host, int(port), 1.0).boards()
        assert time.monotonic() - began < 3
        asked = Tracker(host, int(port), 1.0)
        if "does not answer" in expected:
            assert asked.request("k") is None
        else:
            with pytest.raises(TrackerLost, match=expected):
                asked.request("k")


def test_boards_are_counted_by_key() -> None:
    with tracker_that(knows("pi", "pi", "zero", free=False)) as address:
        boards = Tracker.at(address).boards()
    assert boards.registered == {"pi": 2, "zero": 1} and boards.free == {"pi": 0, "zero": 0}


def test_a_tracker_answers_in_well_under_half_a_minute_or_is_told() -> None:
    assert tracker.ANSWER_SECONDS <= 10


VERBS = {
    "verify": ["verify", "ART"],
    "bench": ["bench", "ART"],
    "run": ["run", "ART", "--random", "1"],
    "tune": ["tune", "digits", "--target", "host", "--log-dir", "LOG"],
}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("net") / "net"
    compile_model("mobilenetv2-0.35-32-int8", "host", folder)
    return folder


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (sleeps, "takes the connection and does not answer in 1 s"),
        (
            knows("rpi4", "rpi5", "rpi5"),
            "no board under key 'rpi', there are 'rpi4' (1), 'rpi5' (2)",
        ),
        (knows(), "no board under key 'rpi', there are none at all (on the board: python -m"),
    ],
)
def test_every_verb_tells_a_sleeping_tracker_and_a_mistyped_key(
    verb: str,
    answer: Answer,
    expected: str,
    net: Path,
    tmp_path: Path,
    require_module: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in ("tornado", "cloudpickle", "psutil"):
        require_module(module)
    monkeypatch.setattr(tracker, "ANSWER_SECONDS", 1.0)
    places = {"ART": str(net), "LOG": str(tmp_path / "log")}
    words = [places.get(word, word) for word in VERBS[verb]]
    with tracker_that(answer) as address:
        began = time.monotonic()
        code = main([*words, "--rpc-tracker", address, "--rpc-key", "rpi"])
        assert time.monotonic() - began < 30
    said = capsys.readouterr().err
    assert code == 1 and expected in said and len(said.strip().splitlines()[-1]) < 300
