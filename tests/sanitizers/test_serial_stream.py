"""The serial firmware survives any bytes, and answers the next command as if nothing had been."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.sanitizers.shipped_c import RUNTIME, SANITIZED

PROGRAM = Path(__file__).with_name("serial_stream.c")
WORDS = (
    b"name%", b"profile%", b"db load 53%", b"db load 54%", b"db load 4294967296%", b"db load %",
    b"db 00ff%", b"db " + b"a5" * 60 + b"%", b"db 0%", b"dbzz%", b"infer 1 0%", b"infer 3 2%",
    b"infer 99999999999999 1%", b"results%", b"17:name%", b"999999999:results%", b"%", b"%%%",
    b"9999999999:name%", b":%", b"db", b"d", b"infer", b"\x00\xff\x80%", b"x" * 200 + b"%",
)  # fmt: skip
FEW, MANY = 40, 4000
LENGTH = 400


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import shutil

    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    output = tmp_path_factory.mktemp("serial") / "serial_stream"
    command = ["gcc", *SANITIZED, f"-I{RUNTIME}", str(PROGRAM), "-o", str(output)]
    subprocess.run(command, check=True)
    return output


def stream(seed: int) -> bytes:
    """Commands, pieces of commands, and noise."""
    random = np.random.default_rng(seed)
    parts = []
    while sum(map(len, parts)) < LENGTH:
        word = WORDS[int(random.integers(len(WORDS)))]
        match int(random.integers(4)):
            case 0:
                parts.append(word)
            case 1:
                parts.append(word[: int(random.integers(len(word) + 1))])
            case 2:
                noisy = bytearray(word)
                noisy[int(random.integers(len(noisy)))] = int(random.integers(256))
                parts.append(bytes(noisy))
            case _:
                parts.append(random.bytes(int(random.integers(1, 40))))
    return b"".join(parts)


def answers(program: Path, content: bytes, folder: Path) -> bytes:
    """What the firmware says to the stream; it must not end but with the stream."""
    path = folder / "stream"
    path.write_bytes(content)
    done = subprocess.run([str(program), str(path)], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()[:2000]
    return done.stdout


def check(program: Path, seeds: range, folder: Path) -> None:
    for seed in seeds:
        # A `%` ends whatever was begun.
        said = answers(program, stream(seed) + b"%name%", folder)
        assert said.endswith(b"\r\nm-name-net-0123\r\nm-ready\r\n"), seed


def test_any_bytes_leave_it_serving(program: Path, tmp_path: Path) -> None:
    check(program, range(FEW), tmp_path)


@pytest.mark.slow
def test_many_more_bytes_leave_it_serving(program: Path, tmp_path: Path) -> None:
    check(program, range(1000, 1000 + MANY), tmp_path)


def test_results_are_those_of_what_was_loaded(program: Path, tmp_path: Path) -> None:
    load = b"db load 53%db " + b"01" * 53 + b"%"
    said = answers(program, stream(5) + b"%" + load + b"infer 1 0%results%", tmp_path)
    rows = [x for x in said.split(b"\r\n") if x.startswith(b"m-results-")][-3:]
    found = bytes.fromhex(b"".join(x.removeprefix(b"m-results-") for x in rows).decode())
    assert found == bytes((53 + i) % 256 for i in range(71))


def test_the_sanitizer_sees_a_byte_too_many(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    """A protocol that trusts the length it is told writes behind its buffer, and is caught."""
    require_tool("gcc")
    text = (RUNTIME / "serial_protocol.h").read_text()
    check_of_size = "if (expected > input_bytes) {"
    assert check_of_size in text
    (tmp_path / "serial_protocol.h").write_text(text.replace(check_of_size, "if (0) {"))
    output = tmp_path / "planted"
    command = ["gcc", *SANITIZED, f"-I{tmp_path}", str(PROGRAM), "-o", str(output)]
    subprocess.run(command, check=True)
    with pytest.raises(AssertionError, match=r"AddressSanitizer: [a-z]+-buffer-overflow"):
        answers(output, b"db load 54%db " + b"00" * 54 + b"%", tmp_path)
