"""An estimate is the sum of its parts, layer by layer, repeats exactly, and says what it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import edgemnv2
from edgemnv2 import Place
from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.core_model import Steady
from edgemnv2.benchmark.cycle_runner import CycleRunner
from edgemnv2.benchmark.cycles import MEMORY, PathCosts, estimate_cycles
from edgemnv2.benchmark.emulated_peers import check_emulated
from edgemnv2.benchmark.latency import random_sample
from edgemnv2.cli.main import main
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import runner_for
from edgemnv2.runners.block_trace import Block, BlockTrace, Section
from edgemnv2.runners.llvm_tools import LLVM_PACKAGE, find_llvm_tools
from edgemnv2.target import load_target
from tests.runners.tiny_artifact import make_tiny_artifact
from tests.usual import usual

NETWORK = "mobilenetv2-0.35-32-int8"


class Fixed:
    """A core of four cycles a path, half of them bound, that knows every instruction but one."""

    core = "fixed"

    def disassemble(self, codes: list[bytes]) -> list[list[str]]:
        return [["nop"] * len(code) for code in codes]

    def steady(self, runs: list[list[str]]) -> list[Steady | None]:
        return [Steady(4.0, 2.0, "pipe X", 1) for _ in runs]


def test_a_path_costs_its_cycles_times_its_executions_and_the_rest_the_average() -> None:
    blocks = tuple(Block(8 * n, 2, bytes(2)) for n in range(3))
    loop = Section({0: 1000, 1: 1000, 2: 1}, {(0, 1): 1000, (1, 0): 999})
    trace = BlockTrace(blocks, (loop,))
    costs = PathCosts.of(trace, loop, Fixed())
    figure = costs.figure(loop, memory=100.0)
    # Four instructions in four cycles; the block outside as long as half of it.
    assert figure.pipeline == pytest.approx(4000 + 2)
    assert figure.bound == pytest.approx(2000 + 1)
    assert figure.cycles == pytest.approx(4102)
    assert figure.instructions == 4002 and figure.limit == "pipe X"
    assert costs.skipped == pytest.approx(1000 / 4002)
    assert costs.figure(loop, memory=1e6).limit == MEMORY


@pytest.fixture
def tools(require_tool: Callable[[str], str]) -> None:
    try:
        find_llvm_tools()
    except RunnerError:
        require_tool(LLVM_PACKAGE.replace("llvm", "llvm-mca"))
    for tool in ("qemu-system-arm", "arm-none-eabi-gcc", "qemu-aarch64", "gcc"):
        require_tool(tool)


@pytest.fixture(scope="module", params=usual(["mps2-an500", "rpi4"], ["mps2-an500"]))
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return compile_model(NETWORK, request.param, tmp_path_factory.mktemp("cycles") / "net")


@pytest.mark.slow(ci=True)
@pytest.mark.usefixtures("tools")
def test_layers_add_up_to_the_inference_and_instructions_are_exact(artifact: Artifact) -> None:
    estimate = estimate_cycles(artifact)
    counted = runner_for(artifact, artifact.target.runner).run(
        artifact, [random_sample(artifact, 0)], repeat=1
    )
    total = estimate.total
    assert abs(total.instructions - counted.values[0]) <= 2
    assert 0 < total.bound <= total.pipeline < total.cycles + 1
    parts = sum(layer.figure.pipeline for layer in estimate.layers)
    # Step by step a call more is executed for each row.
    assert parts == pytest.approx(total.pipeline, rel=0.1)
    assert len(estimate.layers) > 30 and all(layer.figure.cycles > 0 for layer in estimate.layers)
    assert bool(total.memory) == (artifact.target.name == "rpi4")
    assert any("estimate" in note for note in estimate.notes)
    assert estimate_cycles(artifact).total == total


@pytest.mark.usefixtures("tools")
def test_a_runner_of_cycles_gives_outputs_rows_and_the_layers_estimates(artifact: Artifact) -> None:
    runner = CycleRunner(artifact.target)
    sample = random_sample(artifact, 0)
    result = runner.run(artifact, [sample], trace=True, layers=True)
    plain = runner.run(artifact, [sample])
    assert (result.metric, plain.metric) == ("cycles", None)
    for name, output in plain.results[0].items():
        assert (result.results[0][name] == output).all()
    assert result.trace and sum(result.layers.values()) > 0
    assert runner.run(artifact, [sample], trace=True, layers=True).layers == result.layers
    with pytest.raises(UsageError):
        runner.run(artifact, [sample], threads=2, layers=True)


@pytest.mark.usefixtures("tools")
def test_the_command_says_estimated_wherever_it_shows_cycles(
    artifact: Artifact, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(artifact.path), "--cycles", "--per-layer"]) == 0
    text = capsys.readouterr().out
    assert "M cycles, estimated" in text and "k cycles, estimated" in text
    assert "block1.project" in text and "note       an estimate" in text
    assert main(["bench", str(artifact.path), "--cycles", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["metric"] == "cycles" and table["is_estimate"] is True
    assert table["cycles"] == table["pipeline"] + table["memory"]
    assert (table["artifact"], table["name"]) == (str(artifact.path), artifact.name)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--threads", "2"], "leave --threads out"),
        (["--caches"], "leave --caches out"),
        (["--repeat", "3"], "leave --repeat out"),
        (["--runner", "local"], "leave --runner out"),
    ],
)
def test_what_an_estimate_does_not_know_is_refused(
    capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert main(["bench", "net", "--cycles", *more]) == 2
    assert said in capsys.readouterr().err


def test_only_cycles_are_a_metric_to_ask_for_and_only_without_a_place(tmp_path: Path) -> None:
    for metric, place in (("seconds", None), ("cycles", Place(runner="local"))):
        with pytest.raises(UsageError, match=f"metric={metric}"):
            edgemnv2.tune("digits-int8", "rpi4", tmp_path, metric=metric, place=place)


def test_engines_are_estimated_where_they_run_only() -> None:
    check_emulated(load_target("rpi5"), ["litert", "onnxruntime", "ncnn"])
    with pytest.raises(UsageError, match="not for mps2-an500"):
        check_emulated(load_target("mps2-an500"), ["litert"])
    with pytest.raises(UsageError, match="no such engine"):
        check_emulated(load_target("rpi4"), ["tensorflow"])


def test_a_core_that_llvm_does_not_model_is_refused(tmp_path: Path) -> None:
    tiny = make_tiny_artifact(tmp_path / "art", "riscv32-virt")
    with pytest.raises(UsageError, match=r"cycles\.core"):
        estimate_cycles(tiny)
