"""`bench --against`: real rounds beside other engines, and refusals word for word."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.artifact import load_artifact
from edgemnv2.benchmark.against import against, largest_difference
from edgemnv2.benchmark.engines.engine import fit_samples
from edgemnv2.benchmark.engines.table import choose_model, make_peer
from edgemnv2.cli.main import main
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.lab.speed_up import core_distance, speed_up
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.target import load_target, missing_local_features
from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet
from tests.networks import several_ends

SAMPLES = {"x": np.zeros((1, 8, 8, 3), np.float32)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small int8 network that LiteRT runs."""
    path = tmp_path_factory.mktemp("model") / "tiny.tflite"
    path.write_bytes(TinyMobilenet().build())
    return path


@pytest.fixture(scope="module")
def host(model: Path) -> Path:
    if missing_local_features(load_target("host")):
        pytest.skip("this processor has no AVX2")
    folder = model.parent / "net"
    compile_model(model, "host", folder, CompileOptions(name="net", threads=2))
    return folder


@pytest.fixture
def onnx_model(tmp_path: Path, require_module: Callable[[str], None]) -> Path:
    """One convolution; what it computes does not matter for a time."""
    require_module("onnx")
    require_module("onnxruntime")
    from onnx import TensorProto, helper, numpy_helper, save

    weight = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 16, 16])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 14, 14])
    graph = helper.make_graph([node], "one", [x], [y], [weight])
    opset = helper.make_opsetid("", 17)
    path = tmp_path / "one.onnx"
    save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
    return path


@pytest.mark.parametrize("threads", [1, 2])
def test_rounds_beside_litert_and_onnxruntime(
    host: Path,
    model: Path,
    onnx_model: Path,
    threads: int,
    require_module: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    require_module("ai_edge_litert")
    arguments = ["bench", str(host), "--against", "litert,onnxruntime", "--repeat", "12", "--json"]
    arguments += ["--model", str(model), "--model", str(onnx_model), "--threads", str(threads)]
    assert main(arguments) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert result["rounds"] == result["samples"] == 12 and result["threads"] == threads
    assert 0 < result["median"] <= result["p95"]
    assert list(result["against"]) == ["litert", "onnxruntime"]
    for name, file in (("litert", "tiny.tflite"), ("onnxruntime", "one.onnx")):
        peer = result["against"][name]
        assert peer["model"] == file and peer["version"]
        # The .tflite is the artefact's own network, the .onnx is another one.
        if name == "litert":
            assert peer["max_abs_error"] <= 0.1 * result["max_abs_output"]
        else:
            assert peer["max_abs_error"] is None
        assert 0 < peer["ratio_p05"] <= peer["ratio"] <= peer["ratio_p95"]
        assert 0 < peer["median"] <= peer["p95"]


def test_progress_counts_rounds(host: Path) -> None:
    seen: list[tuple[int, int]] = []
    load = load_artifact(host)
    result = against(load, [], [], rounds=3, progress=lambda *at: seen.append(at))
    assert seen[-3:] == [(1, 3), (2, 3), (3, 3)] and result.against == {}


@pytest.mark.parametrize(
    ("peer", "files", "message"),
    [
        ("tflite", [], "against=tflite: expected some of litert, ncnn, onnxruntime"),
        (
            "onnxruntime",
            ["a.onnx", "b.onnx"],
            "against=onnxruntime: 2 models ending in .onnx given, expected one "
            "(model=FILE.onnx, the same network in that engine's format)",
        ),
        ("litert", ["gone.tflite"], "model=gone.tflite: no such file"),
        ("onnxruntime", ["gone.onnx"], "model=gone.onnx: no such file"),
        ("ncnn", ["gone.param"], "model=gone.param: no such file"),
    ],
)
def test_unsuitable_peers_and_models(peer: str, files: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_model(peer, [Path(file) for file in files])
    assert str(caught.value) == message


def test_a_model_that_no_engine_takes_is_named(host: Path) -> None:
    with pytest.raises(UsageError) as caught:
        against(load_artifact(host), ["litert"], [Path("m.pb")])
    assert str(caught.value) == ("model=m.pb: no engine of against= takes it (expected .tflite)")


def test_no_rounds_are_no_measurement(host: Path) -> None:
    with pytest.raises(UsageError, match="repeat=0: expected at least 1"):
        against(load_artifact(host), [], rounds=0)


@pytest.mark.parametrize(
    ("peer", "suffix", "module", "message"),
    [
        ("litert", "tflite", "ai_edge_litert", "LiteRT cannot load it (The model"),
        ("onnxruntime", "onnx", "onnxruntime", "onnxruntime cannot load it ("),
        ("ncnn", "param", "ncnn", "m.bin is not beside it"),
    ],
)
def test_a_file_that_is_no_model(
    peer: str,
    suffix: str,
    module: str,
    message: str,
    tmp_path: Path,
    require_module: Callable[[str], None],
) -> None:
    require_module(module)
    path = tmp_path / f"m.{suffix}"
    path.write_bytes(b"no model")
    with pytest.raises(UsageError) as caught:
        make_peer(peer, path, 1, SAMPLES)
    assert str(caught.value).startswith(f"model={path}: {message}")
    if peer == "ncnn":
        path.with_suffix(".bin").write_bytes(b"")
        with pytest.raises(UsageError, match="its Input line has no fixed size"):
            make_peer(peer, path, 1, SAMPLES)
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(UsageError, match=r"not a text \.param file"):
            make_peer(peer, path, 1, SAMPLES)
        path.write_text("7767517\n2 2\nInput x 0 1 x 0=8 1=8 2=3\nNothing n 1 1 x y\n")
        with pytest.raises(UsageError, match=r"ncnn cannot load it and its \.bin"):
            make_peer(peer, path, 1, SAMPLES)


@pytest.mark.parametrize(
    ("peer", "suffix", "module"),
    [
        ("litert", "tflite", "ai_edge_litert"),
        ("onnxruntime", "onnx", "onnxruntime"),
        ("ncnn", "param", "ncnn"),
    ],
)
def test_an_engine_that_is_not_installed(
    peer: str, suffix: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"m.{suffix}"
    path.write_bytes(b"")
    monkeypatch.delitem(sys.modules, f"edgemnv2.benchmark.engines.{peer}", raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)  # what import sees of a missing package
    with pytest.raises(UsageError) as caught:
        make_peer(peer, path, 1, SAMPLES)
    message = str(caught.value)
    assert message.startswith(f"against={peer}: {module}")
    assert message.endswith(" is not installed (pip install 'edgemnv2[peers]')")


def test_code_for_another_machine_is_refused(tmp_path: Path) -> None:
    from tests.runners.tiny_artifact import make_tiny_artifact

    artifact = make_tiny_artifact(tmp_path / "net", "mps2-an386")
    with pytest.raises(RunnerError) as caught:
        against(artifact, [])
    assert str(caught.value) == (
        f"{artifact.path}: is for mps2-an386 and cannot run on this machine "
        "(against= times engines side by side: compile for host)"
    )


def test_threads_without_a_plan_are_refused(host: Path) -> None:
    with pytest.raises(UsageError, match=r"threads=4: .* has plans for 1, 2, not for 4"):
        against(load_artifact(host), [], [], threads=4)


def test_speed_up_is_ours_alone(host: Path) -> None:
    result = speed_up(load_artifact(host), 2, rounds=20)
    assert result.threads == 2 and min(result.one_thread, result.several_threads) > 0
    assert 0 < result.ratio_p05 <= result.ratio <= result.ratio_p95


def test_distance_of_the_cores() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        with pytest.raises(RunnerError, match="this process may run on one only"):
            core_distance()
    else:
        assert core_distance() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--against", "litert", "--caches"],
            "--against: times whole inferences on this machine (leave --caches",
        ),
        (["--against", "litert", "--per-layer"], "(leave --per-layer out)"),
        (["--against", "litert", "--repeat", "0"], "--repeat 0: expected at least 1"),
        (["--model", "m.tflite"], "--model: is an engine's, to be timed beside ours"),
    ],
)
def test_arguments_that_contradict_each_other(
    host: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(host), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_another_network_is_pointed_out(
    host: Path, onnx_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bench", str(host), "--against", "onnxruntime", "--model", str(onnx_model)]
    assert main([*arguments, "--repeat", "2"]) == 0
    assert "note       onnxruntime computes something else" in capsys.readouterr().out


@pytest.mark.usefixtures("exact_onnxruntime")
@pytest.mark.parametrize("peer", ["litert", "onnxruntime"])
@pytest.mark.parametrize("make", [several_ends.two_heads, several_ends.two_inputs])
def test_all_inputs_are_given_and_all_outputs_compared(
    make: Callable[[], bytes], peer: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module({"litert": "ai_edge_litert"}.get(peer, peer))
    if missing_local_features(load_target("host")):
        pytest.skip("this processor has no AVX2")
    path = tmp_path / "net.tflite"
    path.write_bytes(make())
    compiled = compile_model(path, "host", tmp_path / "net")
    result = against(compiled, [peer], rounds=2)
    error = result.against[peer].max_abs_error
    # The optimised kernels of others differ by a step of an inner tensor (0.1), which the next
    # weights (1.27 at most) pass on; a wrong input or another output is off by most of the range.
    assert error is not None and error <= 0.3 < result.max_abs_output / 10


def test_outputs_are_compared_one_by_one() -> None:
    one, two = np.array([1.0, 2.0]), np.array([3.0])
    assert largest_difference([one, two], [one, two + 0.5]) == 0.5
    assert largest_difference([one, two], [two, one]) is None
    assert largest_difference([one], [one, two]) is None


def test_samples_go_to_inputs_by_name_and_else_in_order() -> None:
    a, b = (np.full((1, 2, 2, 3), value, np.float32) for value in (1, 2))
    both = [(name, (1, 2, 2, 3), np.dtype("float32")) for name in ("b", "a")]
    assert [x[0, 0, 0, 0] for x in fit_samples({"a": a, "b": b}, both, nchw=False)] == [2, 1]
    assert [x[0, 0, 0, 0] for x in fit_samples({"c": a, "b": b}, both, nchw=False)] == [2, 1]
    assert [x[0, 0, 0, 0] for x in fit_samples({"c": a, "d": b}, both, nchw=False)] == [1, 2]
