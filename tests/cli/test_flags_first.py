"""Flags that make no sense are refused before any work: nothing that they stand beside is there."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgemnv2.cli.bounded import Bounded
from edgemnv2.cli.main import main, make_parser

Parser = argparse.ArgumentParser
Words = list[str]
NUMBERS = (int, float)


def parsers(parser: argparse.ArgumentParser, words: Words) -> Iterator[tuple[Words, Parser]]:
    """Every parser of the command line with the words that lead to it."""
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not below:
        yield words, parser
    for action in below:
        for name, child in action.choices.items():
            yield from parsers(child, [*words, name])


COMMANDS = list(parsers(make_parser(), []))
OPTIONS = [(w, p, a) for w, p in COMMANDS for a in p._actions]
BOUNDED = [(w, p, a) for w, p, a in OPTIONS if isinstance(a, Bounded)]


def absent(parser: Parser, flag: argparse.Action) -> Words:
    """What `parser` must be given, besides `flag`: files that are not there."""
    words: Words = []
    for action in parser._actions:
        if action.option_strings and action.required:
            words += [action.option_strings[-1], "absent.onnx"]
        elif not action.option_strings and action.nargs != "?" and action.dest != "help":
            words.append("absent")
    for group in parser._mutually_exclusive_groups:
        if group.required and flag not in group._group_actions:
            words += [group._group_actions[0].option_strings[-1], "absent"]
    return words


def test_every_number_is_bounded() -> None:
    numbers = {(*w, a.dest) for w, _, a in OPTIONS if a.type in NUMBERS}
    assert len(numbers) > 20
    assert numbers <= {(*w, a.dest) for w, _, a in BOUNDED}


@pytest.mark.parametrize(
    ("words", "parser", "flag"), BOUNDED, ids=["-".join([*w, a.dest]) for w, _, a in BOUNDED]
)
def test_a_number_out_of_bounds_is_refused_first(
    words: Words,
    parser: Parser,
    flag: Bounded,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    name = flag.option_strings[-1]
    bad = "nan" if flag.least is None else str(int(flag.least) - 1)
    beside = absent(parser, flag)
    assert main([*words, *beside, name, bad]) == 2
    error = capsys.readouterr().err
    assert (
        error.startswith(f"edgemnv2 {words[0]}: {name} {bad}: expected ") and error.count("\n") == 1
    )
    if flag.least is not None and beside:
        # The least that goes is taken: it is the file that is refused.
        assert main([*words, *beside, name, str(int(flag.least))]) != 0
        assert f"{name} " not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


TOGETHER = [
    "verify absent --random 1 --images .",
    "verify absent --random 1 --inputs x.npz",
    "verify absent --ssh a@b --serial c",
    "verify absent --emulate --runner local",
    "verify absent --runner ssh",
    "verify absent --runner serial",
    "verify absent --rpc-key K",
    "verify absent --ssh=-a@b",
    "verify absent --input-shape x=1,2,3",
    "run absent --ssh a@b --serial c",
    "run absent --random 1 --inputs x.npz",
    "run absent --draw x.png",
    "run absent --threshold 0.3",
    "run absent x.png --limit 2",
    "run absent x.png --emulate --serial c",
    "bench absent --ssh a@b --serial c",
    "bench absent --record --runner ssh",
    "bench absent --against mxnet",
    "bench absent --cycles --against mxnet",
    "bench absent --against litert --model absent.tflite",
    "bench absent --against litert --model a.onnx",
    "bench absent --model absent.tflite",
    "bundle absent --format cmake --single-file",
    "compare absent absent --max-flash much",
    "compile absent.onnx --target host --name 9x",
    "compile absent.onnx --target host --threads 99",
    "compile absent.onnx --target rpi4 --flash-budget 2M",
    "quantize absent.onnx --random 2 -o x.txt",
    "quantize absent.onnx --random 2 -o x.onnx --report x.txt",
    "tune absent.onnx --target host --strategy luck",
    "tune absent.onnx --target host --ssh a@b --serial c",
    "tune absent.onnx --target rpi4 --metric cycles --ssh a@b",
]


@pytest.mark.parametrize("command", TOGETHER)
def test_flags_that_do_not_go_together_are_refused_first(
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = command.split()
    assert main(words) == 2
    captured = capsys.readouterr()
    lines = [x for x in captured.err.splitlines() if not x.startswith(f"{words[0]}: ")]
    assert captured.out == "" and len(lines) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["analyze", "compile", "quantize", "tune"])
def test_a_wrong_target_is_refused_before_the_model_is_read(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    more = ["--random", "2", "-o", "x.onnx"] if verb == "quantize" else []
    assert main([verb, "absent.onnx", "--target", "rpi44", *more]) == 1
    assert "rpi44" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
