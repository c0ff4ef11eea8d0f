"""A detector and a segmenter of the field give LiteRT's answers on photographs, everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import by_source, run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_graph
from edgemnv2.runners import make_runner
from edgemnv2.target import load_target

DETECTOR = "tfs_coco_ssd_mobilenet_v1_quant_postprocess.tflite"
SEGMENTER = "coral_deeplabv3_mnv2_dm05_pascal_quant.tflite"
MODELS = (DETECTOR, SEGMENTER)
PICTURES = 10
EVERY = 40
"""Of the photographs in their folder: of classes far from each other."""
TOLERANCE = 1e-5
"""Of floats. Scores and classes are exact all the same: they are stored integers, widened."""


@cache
def graph_of(path: Path) -> Graph:
    return lower(load_model(path))


def photographs(shared_data: Path, graph: Graph) -> list[Any]:
    height, width, _ = graph.tensors[graph.inputs[0]].shape
    files = sorted((shared_data / "imagenet224").glob("*.jpg"))[::EVERY][:PICTURES]
    assert len(files) == PICTURES
    return [
        np.asarray(Image.open(file).convert("RGB").resize((width, height)), np.uint8)
        for file in files
    ]


def litert_outputs(path: Path, pictures: list[Any]) -> list[dict[str, Any]]:
    """Every output of LiteRT's reference kernels by its name, for each picture."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    results = []
    for picture in pictures:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[np.newaxis])
        interpreter.invoke()
        details = interpreter.get_output_details()
        results.append({x["name"]: interpreter.get_tensor(x["index"]).copy() for x in details})
    return results


def assert_equal(found: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    assert set(found) == set(theirs)
    for name, wanted in theirs.items():
        ours = found[name].reshape(wanted.shape)
        assert ours.dtype == wanted.dtype
        whole = wanted.dtype.kind != "f" or bool((wanted == np.round(wanted)).all())
        if whole:
            np.testing.assert_array_equal(ours, wanted, err_msg=name)
        else:
            np.testing.assert_allclose(ours, wanted, rtol=0, atol=TOLERANCE, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_reference_gives_what_litert_gives_on_ten_pictures(
    name: str, shared_data: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    path = shared_data / "models" / name
    graph = graph_of(path)
    pictures = photographs(shared_data, graph)
    for picture, theirs in zip(pictures, litert_outputs(path, pictures), strict=True):
        assert_equal(by_source(graph, run(graph, picture, keep=False)), theirs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "runner", "tool", "count"),
    [("host", "local", "gcc", PICTURES), ("rpi4", "qemu-user", "qemu-aarch64", 2)],
)
@pytest.mark.parametrize("name", MODELS)
def test_artefacts_give_what_litert_gives(
    name: str,
    target: str,
    runner: str,
    tool: str,
    count: int,
    shared_data: Path,
    require_module: Callable[[str], None],
    require_tool: Callable[[str], str],
    tmp_path: Path,
) -> None:
    require_module("ai_edge_litert")
    require_tool(tool)
    path = shared_data / "models" / name
    graph = graph_of(path)
    pictures = photographs(shared_data, graph)[:count]
    artifact = compile_graph(graph, load_target(target), tmp_path / "net")
    found = make_runner(runner).run(artifact, [x[np.newaxis] for x in pictures]).results
    for ours, theirs in zip(found, litert_outputs(path, pictures), strict=True):
        assert_equal(ours, theirs)
