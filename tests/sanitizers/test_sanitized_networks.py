"""Random networks as plain C under ASan and UBSan: no finding, and the reference's bytes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.check.verify import SampleChoice, verify
from edgemnv2.errors import DoesNotFit, RunnerError
from edgemnv2.pipeline import compile_model
from edgemnv2.samples.inputs import random_set
from tests.networks.random_tflite import random_network
from tests.sanitizers.shipped_c import SanitizedRunner

TARGETS = ("mps2-an386", "cortex-m0plus")
FEW, MANY = 3, 120


@pytest.fixture(autouse=True)
def tools(require_tool: Callable[[str], str]) -> None:
    require_tool("gcc")


def integer_seeds(first: int) -> list[int]:
    """Seeds of networks of integers, which is what the plain C forms compute."""
    found, seed = [], first
    while len(found) < MANY:
        if random_network(seed).dtype != "float32":
            found.append(seed)
        seed += 1
    return found


def run_sanitized(seed: int, target: str, folder: Path) -> bool:
    """Whether it fits; every way to run it was clean and right."""
    net = random_network(seed)
    path = folder / f"net{seed}.tflite"
    path.write_bytes(net.blob)
    try:
        artifact = compile_model(path, target, folder / "artifact")
    except DoesNotFit:
        return False
    found = verify(artifact, SanitizedRunner(folder), SampleChoice(random=2))
    assert found.passed and found.exact, (seed, target, found.first_divergence)
    shutil.rmtree(folder / "artifact")
    return True


def test_a_few_random_networks_are_clean(tmp_path: Path) -> None:
    seeds = integer_seeds(0)[:FEW]
    fitting = [run_sanitized(x, TARGETS[i % 2], tmp_path) for i, x in enumerate(seeds)]
    assert any(fitting)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_many_random_networks_are_clean(target: str, tmp_path: Path) -> None:
    fitting = [run_sanitized(x, target, tmp_path) for x in integer_seeds(5000)]
    assert sum(fitting) > MANY // 2


def test_a_planted_fault_is_found(tmp_path: Path) -> None:
    """One value behind the end of a kernel's constants is read: the sanitizer says so."""
    path = tmp_path / "net.tflite"
    path.write_bytes(random_network(integer_seeds(0)[0]).blob)
    artifact = compile_model(path, "cortex-m0plus", tmp_path / "artifact")
    entry = artifact.path / f"src/{artifact.name}.c"
    text = entry.read_text()
    place = text.rindex("int32_t ", 0, text.rindex(f"{artifact.name}_run(")) if text else 0
    planted = "static int edgemnv2_few[2] = {1, 2};\nstatic volatile int edgemnv2_at = 2;\n"
    text = text[:place] + planted + text[place:]
    body = text.index("{", text.rindex(f"{artifact.name}_run("))
    entry.write_text(text[: body + 1] + "\n(void)edgemnv2_few[edgemnv2_at];\n" + text[body + 1 :])
    graph_inputs = _samples(artifact)
    with pytest.raises(RunnerError):
        SanitizedRunner(tmp_path).run(artifact, graph_inputs)


def _samples(artifact):  # type: ignore[no-untyped-def]
    from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph

    graph = load_graph(artifact.path / REFERENCE_FOLDER)
    return random_set(graph, 1, 0).each(0, 1)
