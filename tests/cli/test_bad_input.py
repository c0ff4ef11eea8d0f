"""Bad input of every kind: one line that names place and remedy, exit 1 or 2, nothing written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from edgemnv2.artifact import Artifact
from edgemnv2.cli.main import VERBS, main, make_parser
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_graph
from edgemnv2.samples import digits
from edgemnv2.target import load_target

Captured = pytest.CaptureFixture[str]
ROOT = Path(__file__).resolve().parents[2]


def failed(arguments: Sequence[str], code: int, capsys: Captured) -> str:
    """The one message on stderr of a command that must end with `code`; progress lines are none."""
    assert main(arguments) == code
    captured = capsys.readouterr()
    stages = f"{arguments[0]}: "
    lines = [x for x in captured.err.strip().splitlines() if not x.startswith(stages)]
    assert captured.out == ""
    assert len(lines) == 1, captured.err
    assert lines[0].startswith(f"edgemnv2 {arguments[0]}: ")
    return lines[0]


def compile_fails(model: Path | str, folder: Path, capsys: Captured, target: str = "host") -> str:
    """Compiling `model` into `folder / "art"` fails and leaves the folder as it was."""
    before = sorted(folder.rglob("*"))
    arguments = ["compile", str(model), "--target", target, "-o", str(folder / "art")]
    line = failed(arguments, 1, capsys)
    assert sorted(folder.rglob("*")) == before
    return line


def write_onnx(path: Path, op: str, batch: int | str = 1) -> Path:
    """A model of one node."""
    shape = [batch, 8, 8, 8]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    node = helper.make_node(op, ["x"], ["y"], name="odd_one")
    model = helper.make_model(
        helper.make_graph([node], "g", [x], [y]), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 9
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_a_file_that_is_no_model(tmp_path: Path, capsys: Captured, suffix: str) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(b"this is not a model at all" * 9)
    assert path.name in compile_fails(path, tmp_path, capsys)


def test_a_truncated_model(tmp_path: Path, capsys: Captured) -> None:
    data = digits.MODEL.read_bytes()
    path = tmp_path / "half.onnx"
    path.write_bytes(data[: len(data) // 2])
    assert "half.onnx" in compile_fails(path, tmp_path, capsys)


def test_an_operator_that_is_not_supported(tmp_path: Path, capsys: Captured) -> None:
    line = compile_fails(write_onnx(tmp_path / "m.onnx", "Det"), tmp_path, capsys)
    assert "m.onnx" in line
    assert "odd_one" in line
    assert "Det" in line


def test_a_dynamic_shape(tmp_path: Path, capsys: Captured) -> None:
    path = write_onnx(tmp_path / "m.onnx", "Relu")
    model = onnx.load(str(path))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    onnx.save(model, str(path))
    line = compile_fails(path, tmp_path, capsys)
    assert "m.onnx" in line
    assert "height" in line or "dynamic" in line


def test_no_such_model(tmp_path: Path, capsys: Captured) -> None:
    assert "no such file" in compile_fails(tmp_path / "none.onnx", tmp_path, capsys)
    line = compile_fails("mobilenetv2-0.35-95-int9", tmp_path, capsys)
    assert "did you mean 'mobilenetv2-" in line


def test_an_unknown_target_names_the_nearest(tmp_path: Path, capsys: Captured) -> None:
    assert "did you mean 'rpi4'" in compile_fails("digits", tmp_path, capsys, "rpi44")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [("clock_hz", "clock_herz", "clock_hz"), ("cores = 4", "cores = 'four'", "cpu.cores")],
)
def test_a_wrong_key_or_value_in_a_target_file(
    tmp_path: Path, capsys: Captured, old: str, new: str, named: str
) -> None:
    board = tmp_path / "board.toml"
    board.write_text((ROOT / "targets" / "rpi4.toml").read_text().replace(old, new))
    line = compile_fails("digits", tmp_path, capsys, str(board))
    assert "board.toml" in line
    assert named in line


def test_no_toolchain_names_the_package(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No gcc on the PATH and no ziglang to import."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("edgemnv2.codegen.toolchain.find_spec", lambda name: None)
    line = compile_fails("mobilenetv2-0.35-32-int8", tmp_path, capsys, "rpi4")
    assert "gcc-aarch64-linux-gnu" in line
    assert "ziglang" in line


def test_an_output_folder_that_is_not_empty(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "art").mkdir()
    (tmp_path / "art" / "mine.txt").write_text("keep me")
    for more in ([], ["--force"]):
        arguments = ["compile", "digits", "--target", "host", "-o", str(tmp_path / "art"), *more]
        assert "art" in failed(arguments, 1, capsys)
    assert (tmp_path / "art" / "mine.txt").read_text() == "keep me"
    assert len(list(tmp_path.rglob("*"))) == 2


def test_an_output_folder_that_cannot_be_made(tmp_path: Path, capsys: Captured) -> None:
    """A file stands where a folder would have to be: that fails for root as well."""
    (tmp_path / "file").write_text("")
    target = str(tmp_path / "file" / "art")
    line = failed(["compile", "digits", "--target", "host", "-o", target], 1, capsys)
    assert "file" in line


def test_a_float_model_for_a_microcontroller(tmp_path: Path, capsys: Captured) -> None:
    line = compile_fails("mobilenetv2-0.35-32", tmp_path, capsys, "mps2-an386")
    assert "quantize" in line


def test_a_network_that_does_not_fit(tmp_path: Path, capsys: Captured) -> None:
    board = tmp_path / "small.toml"
    text = (ROOT / "targets" / "cortex-m0plus.toml").read_text()
    head, ram = text.rsplit("length = ", 1)
    board.write_text(f"{head}length = 4096{ram[ram.index(' ') :]}")
    line = compile_fails("mobilenetv2-0.35-32-int8", tmp_path, capsys, str(board))
    assert "needs" in line
    assert "small has 4.0 KiB" in line
    assert "live are" in line
    assert "fed by the caller" in line
    board.write_text(text.replace("0x400000", "0x10000", 1))
    line = compile_fails("mobilenetv2-0.35-32-int8", tmp_path, capsys, str(board))
    assert "flash" in line


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    graph = lower(load_model("mobilenetv2-0.35-32-int8"))
    return compile_graph(graph, load_target("host"), tmp_path_factory.mktemp("good") / "art")


def test_verify_passes_and_ends_with_0(artifact: Artifact, capsys: Captured) -> None:
    assert main(["verify", str(artifact.path), "--random", "1"]) == 0
    assert "PASSED" in capsys.readouterr().out


def test_an_artefact_that_was_changed(artifact: Artifact, tmp_path: Path, capsys: Captured) -> None:
    copy = tmp_path / "art"
    subprocess.run(["cp", "-r", str(artifact.path), str(copy)], check=True)
    header = next((copy / "include").iterdir())
    header.write_text(header.read_text() + "\n")
    assert header.name in failed(["verify", str(copy)], 1, capsys)
    (copy / "manifest.json").write_text("{")
    assert "manifest.json" in failed(["verify", str(copy)], 1, capsys)
    assert "nowhere" in failed(["verify", str(tmp_path / "nowhere")], 1, capsys)


def test_labels_of_another_number(artifact: Artifact, tmp_path: Path, capsys: Captured) -> None:
    labels, picture = tmp_path / "two.txt", tmp_path / "x.png"
    labels.write_text("cat\ndog\n")
    Image.new("RGB", (32, 32)).save(picture)
    for samples in (["--random", "1"], [str(picture)]):
        line = failed(["run", str(artifact.path), "--labels", str(labels), *samples], 2, capsys)
        assert "--labels two.txt: 2 labels, and this classifier has 1000 classes" in line


def test_images_of_the_wrong_kind(artifact: Artifact, tmp_path: Path, capsys: Captured) -> None:
    images = tmp_path / "images"
    images.mkdir()
    command = ["verify", str(artifact.path), "--images", str(images)]
    assert "no images" in failed(command, 1, capsys)
    (images / "a.png").write_bytes(b"no picture")
    assert "a.png" in failed(command, 1, capsys)
    Image.new("RGB", (40, 40)).save(images / "a.png")
    (images / "labels.csv").write_text("file,class_index\na.png,many\n")
    assert "labels.csv" in failed(command, 1, capsys)


def test_inputs_of_the_wrong_kind(artifact: Artifact, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, wrong=np.zeros(3))
    assert "x.npz" in failed(["verify", str(artifact.path), "--inputs", str(path)], 1, capsys)


def test_values_that_are_no_numbers(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, capsys: Captured
) -> None:
    """ReLU would turn them into numbers, and a class would come out."""
    graph = lower(load_model("digits"))
    art = compile_graph(graph, load_target("host"), tmp_path_factory.mktemp("float") / "art").path
    path = tmp_path / "x.npz"
    for value in (np.nan, np.inf):
        x = np.zeros((2, 1, 32, 32), np.float32)
        x[1, 0, 5, 6:8] = value
        np.savez(path, input=x)
        outputs = tmp_path / "y.npz"
        for verb in (["verify"], ["run", "--outputs", str(outputs)]):
            line = failed([*verb, str(art), "--inputs", str(path)], 1, capsys)
            assert "x.npz: array 'input' has 2 values that are no numbers" in line
        assert not outputs.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "ART", "--random", "0"], "--random 0: expected at least 1"),
        (["verify", "ART", "--random", "-3"], "--random -3: expected at least 1"),
        (["run", "ART", "--random", "2", "--limit", "-1"], "--limit -1: expected at least 1"),
        (["run", "ART", "--random", "2", "--top", "0"], "--top 0: expected at least 1"),
        (["run", "ART", ".", "--top", "-3"], "--top -3: expected at least 1"),
        (["run", "ART", ".", "--threshold", "nan"], "--threshold nan: expected a number"),
        (["verify", "ART", "--random", "1", "--threads", "0"], "--threads 0: expected at least 1"),
        (["run", "ART", "--random", "2", "--seed", "-1"], "--seed -1: expected 0 or more"),
        (["bench", "ART", "--seed", "-1"], "--seed -1: expected 0 or more"),
        (["verify", "ART", "--random", "1", "--images", "."], "give one of --images, --inputs"),
        (["verify", "ART", "--ssh", "a@b", "--serial", "c"], "boards by ssh and serial"),
        (["verify", "ART", "--emulate", "--serial", "c"], "boards by serial and qemu-system"),
        (["verify", "ART", "--emulate", "--runner", "local"], "--emulate with --runner local"),
        (
            ["tune", "digits", "--target", "host", "--rpc-key", "K"],
            "--runner rpc needs --rpc-tracker",
        ),
        (
            ["tune", "digits", "--target", "host", "--rpc-tracker", "h:1"],
            "--runner rpc needs --rpc-tracker HOST:PORT and --rpc-key K",
        ),
        (
            ["tune", "digits", "--target", "host", "--ssh", "a@b", "--serial", "c"],
            "boards by ssh and",
        ),
        (["verify", "ART", "--rpc-key", "K"], "--runner rpc needs --rpc-tracker HOST:PORT"),
        (["verify", "ART", "--rpc-tracker", "nowhere", "--rpc-key", "K"], "expected HOST:PORT"),
        (["compile", "digits", "--target", "host", "--name", "../x"], "expected a C identifier"),
        (["compile", "digits", "--target", "host", "--name", "9x"], "expected a C identifier"),
        (["compile", "digits", "--target", "host", "--name", ""], "the value of --name is empty"),
        (["compile", "digits", "--target", "host", "--name="], "the value of --name is empty"),
        (["compile", "", "--target", "host"], "an argument is empty (is a shell variable not set?"),
        (["compile", "digits", "--target", ""], "the value of --target is empty"),
        (["compile", "digits", "--target", "host", "-o", ""], "the value of -o is empty"),
        (["verify", ""], "an argument is empty"),
        (["bench", "ART", "--ssh", ""], "the value of --ssh is empty"),
        (
            ["compile", "digits", "--target", "host", "--name", "errno"],
            "errno.h would hide",
        ),
        (["compile", "digits", "--target", "host", "--name", "n" * 300], "has 300 letters"),
        (
            ["tune", "digits", "--target", "host", "--trials", "0"],
            "--trials 0: expected at least 1",
        ),
        (
            ["tune", "digits", "--target", "host", "--trials", "-3"],
            "--trials -3: expected at least",
        ),
        (["tune", "digits", "--target", "host", "--strategy", "luck"], "--strategy luck: expected"),
        (
            ["compile", "digits", "--target", "mps2-an386", "--code-size-budget", "-5"],
            "--code-size-budget -5: expected at least 1",
        ),
        (
            ["compile", "digits", "--target", "rpi4", "--flash-budget", "2M"],
            "--flash-budget: rpi4 is a Linux target",
        ),
        (
            ["tune", "digits", "--target", "rpi4", "--flash-budget", "2M"],
            "--flash-budget: rpi4 is a Linux target",
        ),
    ],
)
def test_values_out_of_range_end_with_2(
    artifact: Artifact,
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(artifact.path) if word == "ART" else word for word in arguments]
    assert message in failed(words, 2, capsys)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_alone_asks_for_no_board(
    artifact: Artifact,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
    require_module: Callable[[str], None],
) -> None:
    for module in ("tornado", "cloudpickle", "psutil"):
        require_module(module)
    monkeypatch.setenv("TVM_TRACKER_HOST", "127.0.0.1")
    monkeypatch.setenv("TVM_TRACKER_PORT", "1")
    assert main(["verify", str(artifact.path), "--random", "1"]) == 0
    capsys.readouterr()
    # One word on the command line does; the environment has the rest.
    command = ["verify", str(artifact.path), "--random", "1", "--rpc-key", "K"]
    assert "127.0.0.1:1: no RPC tracker answers" in failed(command, 1, capsys)


def test_ctrl_c_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgemnv2.pipeline.emit_code", interrupt)
    arguments = ["compile", "mobilenetv2-0.35-32-int8", "--target", "host"]
    assert "interrupted" in failed([*arguments, "-o", str(tmp_path / "art")], 130, capsys)
    assert list(tmp_path.iterdir()) == []


def test_more_repeats_than_can_be_waited_for(
    artifact: Artifact, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The allowed time grows with the repeats; operating systems wait no longer than 24 days."""
    monkeypatch.setattr("edgemnv2.runners.local._SECONDS_PER_INFERENCE", 1e9)
    assert main(["bench", str(artifact.path), "--repeat", "3"]) == 0
    assert "median" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["compile", "digits"], ["compile", "digits", "--target", "host", "--io", "sea"]],
)
def test_usage_errors_end_with_2(arguments: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["compil", "digits"], "did you mean compile?"),
        (["verfy", "net"], "did you mean verify?"),
        (["compile", "digits", "--target", "host", "--thraeds", "2"], "did you mean --threads?"),
        (["verify", "net", "--imagse", "photos"], "did you mean --images?"),
    ],
)
def test_the_nearest_word_is_named(arguments: list[str], hint: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (["verify", "net", "--frobnicate"], "usage: edgemnv2 verify "),
        (["logs", "check", "--frobnicate"], "usage: edgemnv2 logs check "),
        (["compile", "--frobnicate", "digits", "--target", "host"], "usage: edgemnv2 compile "),
    ],
)
def test_an_unknown_option_is_told_with_the_verbs_usage(
    arguments: list[str], usage: str, capsys: Captured
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(usage) and "unrecognized arguments: --frobnicate" in told


def optional_arguments() -> list[tuple[str, str, str, str]]:
    """Verb, the argument before, one that may be left out, and an option, of every verb."""
    commands = next(a for a in make_parser()._actions if a.dest == "verb").choices
    assert commands is not None
    found = []
    for verb, parser in commands.items():
        names = [a for a in parser._actions if not a.option_strings]
        option = next((a for a in parser._actions if a.type is int), None)
        for before, action in pairwise(names):
            if action.nargs == "?" and option is not None:
                found.append((verb, before.dest, action.dest, option.option_strings[-1]))
    return found


@pytest.mark.parametrize(("verb", "first", "second", "option"), optional_arguments())
def test_an_argument_may_stand_behind_an_option(
    verb: str, first: str, second: str, option: str
) -> None:
    for words in (["a", "b", option, "2"], ["a", option, "2", "b"], [option, "2", "a", "b"]):
        args = make_parser([verb]).parse_args([verb, *words])
        assert (str(getattr(args, first)), str(getattr(args, second))) == ("a", "b")
    args = make_parser([verb]).parse_args([verb, "a", option, "2"])
    assert getattr(args, second) is None


def test_help_lists_every_verb_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom edgemnv2.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        "heavy = {'tvm', 'numpy', 'onnx', 'PIL', 'tflite', 'tqdm'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    for verb, summary in VERBS.items():
        assert verb in done.stdout
        assert summary[:20] in done.stdout


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "edgemnv2", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("edgemnv2 ")


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    parser = make_parser([verb])
    commands = next(a for a in parser._actions if a.dest == "verb").choices
    assert commands is not None
    text = commands[verb].format_help()
    assert "examples:" in text
    assert f"edgemnv2 {verb}" in text
