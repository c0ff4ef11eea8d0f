"""Networks with several inputs and outputs compile and run everywhere, exactly as their reference.

The reference itself is held against LiteRT's. Neither planner nor code generator knows these
networks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.check.source import check_source
from edgemnv2.check.verify import verify
from edgemnv2.cli.main import main
from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import by_source
from edgemnv2.ops.execute import run as run_reference
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import CompileOptions, compile_graph
from edgemnv2.runners import make_runner
from edgemnv2.samples.images import to_source
from edgemnv2.samples.inputs import SampleChoice, random_set
from edgemnv2.target import load_target
from tests.networks.several_ends import every_end, two_heads, two_inputs

NETWORKS = {
    "two heads": two_heads,
    "two inputs": two_inputs,
    "every end": every_end,
    "unread first": partial(every_end, unread_first=True),
}
TOOLS = {"local": (), "qemu-user": ("qemu-aarch64",), "qemu-system": ("qemu-system-arm",)}
PLACES = [
    ("host", "local", None, (1, 2, 4)),
    ("rpi4", "qemu-user", None, (1, 2, 4)),
    ("mps2-an500", "qemu-system", "arena", (1,)),
    ("mps2-an500", "qemu-system", "caller", (1,)),
]


def graph_of(name: str, folder: Path) -> Graph:
    path = folder / "net.tflite"
    path.write_bytes(NETWORKS[name]())
    return lower(load_model(path))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_reference_is_litert_to_the_bit(
    name: str, tmp_path: Path, require_module: Callable[[str], object]
) -> None:
    require_module("ai_edge_litert")
    graph = graph_of(name, tmp_path)
    result = check_source(graph, tmp_path / "net.tflite", random_set(graph, 3, 0).batch(0, 3))
    assert result.passed and result.max_abs_error == 0


@pytest.mark.parametrize(("target", "runner", "io", "threads"), PLACES)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_output_is_exact_everywhere(
    name: str,
    target: str,
    runner: str,
    io: str | None,
    threads: tuple[int, ...],
    tmp_path: Path,
    require_tool: Callable[[str], str],
) -> None:
    for tool in TOOLS[runner]:
        require_tool(tool)
    graph = graph_of(name, tmp_path)
    options = CompileOptions(io=io)
    artifact = compile_graph(graph, load_target(target), tmp_path / "net", options)
    assert [x.name for x in artifact.inputs] == [x.name for x in graph.input_specs]
    place = make_runner(runner)
    for count in threads:
        result = verify(artifact, place, SampleChoice(random=3), threads=count)
        assert result.passed and result.exact, result
        assert [x.name for x in result.outputs] == [x.name for x in graph.output_specs]
    # Rows of the first input that is read are fed, the others are whole.
    sample = random_set(graph, 1, 7)
    wanted = by_source(graph, run_reference(graph, sample.batch(0, 1)))
    (fed,) = place.run(artifact, sample.each(0, 1), rows=True).results
    for output, values in wanted.items():
        np.testing.assert_array_equal(fed[output], values)


def test_files_are_in_the_sources_names_and_shapes_by_run_and_by_run_py(tmp_path: Path) -> None:
    graph = graph_of("every end", tmp_path)
    compile_graph(graph, load_target("host"), tmp_path / "net", CompileOptions(threads=1))
    inputs = random_set(graph, 1, 3)
    arrays = {spec.name: to_source(inputs.arrays[spec.name], spec) for spec in graph.input_specs}
    np.savez(tmp_path / "x.npz", **arrays)
    wanted = by_source(graph, run_reference(graph, inputs.batch(0, 1)))
    given = ["--inputs", str(tmp_path / "x.npz"), "--outputs", str(tmp_path / "y.npz")]
    assert main(["run", str(tmp_path / "net"), *given]) == 0
    command = [sys.executable, str(tmp_path / "net" / "run.py"), str(tmp_path / "x.npz")]
    subprocess.run([*command, "--outputs", str(tmp_path / "z.npz")], check=True)
    for file in ("y.npz", "z.npz"):
        with np.load(tmp_path / file) as found:
            assert set(found.files) == {"rows", "image", "seen"}
            for spec in graph.output_specs:
                assert found[spec.name].shape == spec.shape, (file, spec.name)
                np.testing.assert_array_equal(found[spec.name], to_source(wanted[spec.name], spec))


def test_images_need_the_other_inputs_beside_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    graph = graph_of("two inputs", tmp_path)
    compile_graph(graph, load_target("host"), tmp_path / "net", CompileOptions(threads=1))
    (tmp_path / "photos").mkdir()
    for index in range(2):
        Image.new("RGB", (10, 12), (index * 90, 30, 60)).save(tmp_path / f"photos/{index}.png")
    verb = ["verify", str(tmp_path / "net"), "--images", str(tmp_path / "photos"), "--json"]
    assert main(verb) == 1
    assert "the network also takes 'state'; give these as .npz, too" in capsys.readouterr().err
    np.savez(tmp_path / "state.npz", state=np.full((1, 12, 10, 8), 5, np.int8))
    assert main([*verb, "--inputs", str(tmp_path / "state.npz")]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 2
