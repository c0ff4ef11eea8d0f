"""An inference in pieces: the bytes of `run` for every budget, and a status code for misuse."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.latency import random_sample
from edgemnv2.codegen.pieces import pieces_header
from edgemnv2.errors import UsageError
from edgemnv2.frontend import load_model
from edgemnv2.ops import execute
from edgemnv2.passes import lower
from edgemnv2.pipeline import CompileOptions, compile_graph, compile_model
from edgemnv2.runners import make_runner
from edgemnv2.runners.serial import SerialRunner
from edgemnv2.target import load_target
from tests.runners.tiny_artifact import make_tiny_artifact
from tests.usual import usual

MODEL = "mobilenetv2-0.35-32-int8"
OK, MORE, NULL, ALIGNMENT, STEP = 0, 1, -1, -2, -9
BOARDS, IO = ("mps2-an500", "mps3-an547", "cortex-m0plus"), ("arena", "input", "caller")
BOARD_TOOLS = ("qemu-system-arm", "arm-none-eabi-gcc")
SHARED_MODELS = (
    "coral_deeplabv3_mnv2_dm05_pascal_quant.tflite",
    "coral_mobilenet_v2_1.0_224_quant.tflite",
    "ei_mask-tflite.tflite",
    "fomo_face_detection.tflite",
    "tf2_mobilenet_v2_1.0_224_ptq.tflite",
    "tflm_pytorch_mobilenet_v2_quantized_1x3x224x224.tflite",
    "tfs_coco_ssd_mobilenet_v1_quant_postprocess.tflite",
)


def assert_pieces_equal_the_whole(
    artifact: Artifact, runner: str, budgets: tuple[int, ...]
) -> None:
    one = make_runner(runner)
    samples = [random_sample(artifact, seed) for seed in range(2)]
    whole = one.run(artifact, samples).results
    for budget in budgets:
        pieces = one.run(artifact, samples, budget=budget).results
        for expected, found in zip(whole, pieces, strict=True):
            assert {name: x.tobytes() for name, x in found.items()} == {
                name: x.tobytes() for name, x in expected.items()
            }, f"budget {budget}"


@pytest.mark.parametrize(("target", "io"), usual(product(BOARDS, IO), [("mps2-an500", "arena")]))
def test_pieces_give_the_bytes_of_the_whole_on_boards(
    target: str, io: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    for tool in BOARD_TOOLS:
        require_tool(tool)
    artifact = compile_model(MODEL, target, tmp_path / "net", CompileOptions(io=io))
    assert_pieces_equal_the_whole(artifact, "qemu-system", (1, 7))


@pytest.mark.parametrize("io", usual(IO, ["caller"]))
def test_pieces_give_the_bytes_of_the_whole_on_the_host(io: str, tmp_path: Path) -> None:
    artifact = compile_model(MODEL, "host", tmp_path / "net", CompileOptions(io=io))
    steps = artifact.manifest.steps
    assert_pieces_equal_the_whole(artifact, "local", (1, steps - 1, steps, steps + 1, 2**31 - 1))


@pytest.mark.parametrize(
    "name",
    [
        "fomo_face_detection.tflite",
        pytest.param("ei_mask-tflite.tflite", marks=pytest.mark.slow(ci=True)),
    ],
)
def test_small_shared_models_in_pieces_on_the_host(
    name: str, shared_data: Path, tmp_path: Path
) -> None:
    artifact = compile_model(shared_data / "models" / name, "host", tmp_path / "net")
    assert_pieces_equal_the_whole(artifact, "local", (1,))


@pytest.mark.slow
@pytest.mark.parametrize(("target", "runner"), [("mps2-an500", "qemu-system"), ("host", "local")])
@pytest.mark.parametrize("name", SHARED_MODELS)
def test_shared_models_in_pieces(
    name: str,
    target: str,
    runner: str,
    shared_data: Path,
    tmp_path: Path,
    require_tool: Callable[[str], str],
) -> None:
    for tool in BOARD_TOOLS if runner == "qemu-system" else ():
        require_tool(tool)
    # Of the board's 4 MiB of RAM, one map of DeepLab's classes takes 2.
    options = CompileOptions(io="caller" if "deeplab" in name else None)
    artifact = compile_model(shared_data / "models" / name, target, tmp_path / "net", options)
    assert_pieces_equal_the_whole(artifact, runner, (1,))


def test_pieces_do_not_pass_over_a_serial_line(tmp_path: Path) -> None:
    artifact = make_tiny_artifact(tmp_path / "net", "mps2-an500")
    with pytest.raises(UsageError, match="pieces"):
        SerialRunner("/dev/nowhere").run(artifact, [], budget=1)


class _Net:
    """The host's library and what an inference of it needs."""

    def __init__(self, folder: Path) -> None:
        self.graph = lower(load_model(MODEL))
        options = CompileOptions(name="net", io="caller")
        artifact = compile_graph(self.graph, load_target("host"), folder, options)
        self.library = ctypes.CDLL(str(folder / "lib" / "libnet.so"))
        self.steps, self.align = artifact.manifest.steps, artifact.manifest.arena_align_bytes
        (sample,) = random_sample(artifact, 5).values()
        self.image = np.ascontiguousarray(sample)
        shape = self.graph.tensors[self.graph.outputs[0]].shape
        self.result = np.zeros(shape, np.int8)
        self.memory = np.zeros(artifact.arena_bytes + 2 * self.align, np.uint8)
        self.arena = -(-self.memory.ctypes.data // self.align) * self.align
        self.state = (ctypes.c_uint64 * 16)()

    def begin(self, state: Any = -1, image: Any = -1, arena: Any = -1) -> int:
        image = self.image.ctypes.data if image == -1 else image
        inputs = (ctypes.c_void_p * 1)(image)
        outputs = (ctypes.c_void_p * 1)(self.result.ctypes.data)
        at = ctypes.c_void_p(self.arena if arena == -1 else arena)
        state = self.state if state == -1 else state
        return int(self.library.net_begin(state, ctypes.byref(inputs), ctypes.byref(outputs), at))

    def step(self, budget: int, state: Any = -1) -> int:
        return int(self.library.net_step(self.state if state == -1 else state, budget))

    def finish(self, budget: int) -> int:
        """How many calls it took."""
        for call in range(1, self.steps + 2):
            status = self.step(budget)
            if status != MORE:
                assert status == OK
                return call
        raise AssertionError("never ends")

    def is_right(self) -> bool:
        expected = execute.run(self.graph, self.image, keep=False)[self.graph.outputs[0]][0]
        return bool((self.result == expected).all())


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> _Net:
    return _Net(tmp_path_factory.mktemp("pieces") / "net")


def test_a_budget_bounds_the_steps(net: _Net) -> None:
    for budget in (1, 7, net.steps - 1, net.steps):
        net.result[:] = 0
        assert net.begin() == OK
        assert net.finish(budget) == -(-net.steps // budget)
        assert net.is_right()


def test_misuse_has_a_status_code(net: _Net) -> None:
    assert net.begin() == OK
    assert net.finish(net.steps) == 1
    assert net.step(1) == STEP, "after the end"
    assert net.step(1, None) == NULL
    assert net.begin(state=None) == NULL
    assert net.begin() == OK
    for budget in (0, -1, -(2**31)):
        assert net.step(budget) == STEP, "and what is under way stays so"
    net.finish(3)
    assert net.is_right()
    fresh = (ctypes.c_uint64 * 16)()
    assert net.step(1, fresh) == STEP, "nothing was begun"


def test_a_failed_begin_leaves_nothing_under_way(net: _Net) -> None:
    for status, arguments in (
        (NULL, {"image": None}),
        (NULL, {"arena": None}),
        (ALIGNMENT, {"arena": net.arena + 4}),
    ):
        assert net.begin() == OK and net.step(1) == MORE
        assert net.begin(**arguments) == status
        assert net.step(1) == STEP


def test_what_is_under_way_may_be_copied_and_begun_anew(net: _Net) -> None:
    assert net.begin() == OK and net.step(9) == MORE
    ctypes.memmove(other := (ctypes.c_uint64 * 16)(), net.state, ctypes.sizeof(net.state))
    net.state, old = other, net.state
    net.finish(5)
    assert net.is_right()
    net.state = old
    assert net.begin() == OK
    assert net.finish(1) == net.steps


def test_the_header_names_the_steps() -> None:
    text = "\n".join(pieces_header("net", 171))
    assert "#define NET_STEP_COUNT 171 " in text
    assert "int32_t net_step(struct net_inference *inference, int32_t budget);" in text


@pytest.mark.slow(ci=True)
def test_the_longest_step_is_counted_and_kept(
    tmp_path: Path, require_tool: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    from edgemnv2.artifact import load_artifact
    from edgemnv2.cli.main import main

    for tool in BOARD_TOOLS:
        require_tool(tool)
    folder = tmp_path / "net"
    artifact = compile_model(MODEL, "mps2-an500", folder)
    assert artifact.manifest.longest_step is None
    assert main(["bench", str(folder), "--record"]) == 0
    said = capsys.readouterr().out
    step = load_artifact(folder).manifest.longest_step
    assert step is not None and step.layer in {x.name for x in artifact.manifest.layers}
    assert f"step       {step.instructions} instructions at most, of {step.layer}" in said
    # Longer than the mean of all, and no longer than all together.
    result = make_runner("qemu-system").run(
        artifact, [random_sample(artifact, 0)], repeat=1, layers=True
    )
    assert len(result.step_values) == artifact.manifest.steps
    assert step.instructions == max(result.step_values) < sum(result.step_values)
    assert step.instructions > sum(result.step_values) / artifact.manifest.steps


@pytest.mark.slow(ci=True)
def test_time_is_no_longest_step(tmp_path: Path) -> None:
    import edgemnv2

    compile_model(MODEL, "host", tmp_path / "net")
    with pytest.raises(UsageError, match="local counts no steps"):
        edgemnv2.bench(tmp_path / "net", repeat=1, record=True)


def test_an_artefact_that_cannot_be_written_keeps_its_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgemnv2.artifact import load_artifact, record_longest_step
    from edgemnv2.errors import ArtifactError
    from edgemnv2.manifest import LongestStep

    artifact = make_tiny_artifact(tmp_path / "art", "host")
    before = (tmp_path / "art" / "manifest.json").read_bytes()

    def refuse(*arguments: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ArtifactError, match="cannot be written"):
        record_longest_step(artifact, LongestStep("plus_one", 5))
    monkeypatch.undo()
    assert (tmp_path / "art" / "manifest.json").read_bytes() == before
    kept = record_longest_step(artifact, LongestStep("plus_one", 5))
    assert load_artifact(kept.path).manifest.longest_step == LongestStep("plus_one", 5)
