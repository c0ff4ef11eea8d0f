"""`bench --against`: real rounds beside other engines, and refusals word for word."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "frontend"))
from tiny_mobilenet_tflite import TinyMobilenet

from edgemnv2.artifact import load_artifact
from edgemnv2.cli.main import main
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.measure.against import against
from edgemnv2.measure.peers import make_peer
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.target import load_target, missing_local_features


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
        ("tflite", [], "--against tflite: expected some of litert, ncnn, onnxruntime"),
        (
            "litert",
            ["a.onnx"],
            "--against litert: 0 models ending in .tflite given, expected one "
            "(--model FILE.tflite, the same network in that engine's format)",
        ),
        (
            "onnxruntime",
            ["a.onnx", "b.onnx"],
            "--against onnxruntime: 2 models ending in .onnx given, expected one "
            "(--model FILE.onnx, the same network in that engine's format)",
        ),
    ],
)
def test_unsuitable_peers_and_models(peer: str, files: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_peer(peer, [Path(file) for file in files], 1, 0)
    assert str(caught.value) == message


@pytest.mark.parametrize("suffix", ["tflite", "onnx", "param"])
def test_a_missing_file_is_named(suffix: str, tmp_path: Path, monkeypatch: Any) -> None:
    peer = {"tflite": "litert", "onnx": "onnxruntime", "param": "ncnn"}[suffix]
    # Whether the engine is there or not, the file is looked at behind its import.
    modules = {"litert": "ai_edge_litert", "onnxruntime": "onnxruntime", "ncnn": "ncnn"}
    pytest.importorskip(modules[peer])
    path = tmp_path / f"gone.{suffix}"
    with pytest.raises(UsageError) as caught:
        make_peer(peer, [path], 1, 0)
    assert str(caught.value) == f"--model {path}: no such file"


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
    monkeypatch.delitem(sys.modules, f"edgemnv2.measure.peers.{peer}", raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)  # what import sees of a missing package
    with pytest.raises(UsageError) as caught:
        make_peer(peer, [path], 1, 0)
    message = str(caught.value)
    assert message.startswith(f"--against {peer}: {module}")
    assert message.endswith(" is not installed (pip install 'edgemnv2[peers]')")


def test_code_for_another_machine_is_refused(tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "runners"))
    from tiny_artifact import make_tiny_artifact

    artifact = make_tiny_artifact(tmp_path / "net", "mps2-an386")
    with pytest.raises(RunnerError) as caught:
        against(artifact, [], [])
    assert str(caught.value) == (
        f"{artifact.path}: is for mps2-an386 and cannot run on this machine "
        "(--against times engines side by side: compile for host)"
    )


def test_threads_without_a_plan_are_refused(host: Path) -> None:
    with pytest.raises(UsageError, match=r"--threads 4: .* has plans for 1, 2, not for 4"):
        against(load_artifact(host), [], [], threads=4)
