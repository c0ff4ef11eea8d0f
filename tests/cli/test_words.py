"""What the library says of arguments, the command line says of flags."""

from __future__ import annotations

import ast
import doctest
import re
from pathlib import Path

import pytest

import edgemnv2.cli.words
from edgemnv2.cli.completion import completion
from edgemnv2.cli.main import main, make_parser
from edgemnv2.cli.words import ARGUMENTS, as_flags

PACKAGE = Path(edgemnv2.cli.words.__file__).parents[1]


def test_the_examples_in_the_docstring_hold() -> None:
    assert doctest.testmod(edgemnv2.cli.words).attempted > 0
    assert doctest.testmod(edgemnv2.cli.words).failed == 0


def test_every_argument_becomes_a_flag_that_some_verb_has() -> None:
    offered = re.findall(r'flags="([^"]*)"', completion(make_parser(), "bash"))
    known = {flag for flags in offered for flag in flags.split()}
    assert len(known) > 50
    for name in ARGUMENTS:
        assert as_flags(f"{name}=3: no").removesuffix(" 3: no") in known, name


def test_every_argument_that_a_usage_error_names_becomes_a_flag() -> None:
    """`--metric` was told as `metric=`."""
    commands = next(a for a in make_parser()._actions if a.dest == "verb").choices
    assert commands is not None
    flags = {a.dest for parser in commands.values() for a in parser._actions}
    named = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UsageError":
                texts = (x.value for x in ast.walk(node) if isinstance(x, ast.Constant))
                for text in texts:
                    named |= set(re.findall(r"(?<![\w./=-])([a-z][a-z_]+)=", str(text)))
    assert len(named) > 20
    assert named & flags <= set(ARGUMENTS)


def test_what_is_no_argument_stays() -> None:
    for text in ("CFSR = 0x1", "net/threads=3.onnx: no such file", "W=1 H=2", "a.threads=2"):
        assert as_flags(text) == text


def test_a_symbolic_shape_is_asked_for_by_its_flag_and_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from onnx import TensorProto, helper

    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, "height", "width"])
        for name in ("x", "y")
    ]
    graph = helper.make_graph([helper.make_node("Sigmoid", ["x"], ["y"])], "g", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", 17)]
    path = tmp_path / "m.onnx"
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    path.write_bytes(model.SerializeToString())
    command = ["compile", str(path), "--target", "host", "--threads", "1"]
    command += ["-o", str(tmp_path / "net")]
    assert main(command) == 1
    assert "or give it with --input-shape" in capsys.readouterr().err
    for wrong, message in (
        ("x=8,3,6,5", "--input-shape x=8,3,6,5: holds 8 images (must be 1)"),
        ("x=1,4,6,5", "dimension 1 of the input is 3"),
        ("z=1,3,6,5", "has no such input (it has 'x')"),
        ("x=1,3,6", "has 3 dimensions"),
    ):
        assert main([*command, "--input-shape", wrong]) == 2
        assert message in capsys.readouterr().err
    assert main([*command, "--input-shape", "x=1,3,6,5"]) == 0
    # `verify` reads the model with the shapes that the artefact was compiled for.
    assert main(["verify", str(tmp_path / "net"), str(path), "--random", "2"]) == 0
